import { IconInfoCircle, IconRotate } from '@tabler/icons-react';
import { useRouterState } from '@tanstack/react-router';
import { lazy, type ReactNode, Suspense, startTransition, useEffect, useMemo, useState } from 'react';
import { useChosen, usePage } from '../api/queries';
import type { Answer, Figure, GenericPage, Panel, Row, TargetRef, Verdict } from '../api/types';
import { useAddress } from '../lib/address';
import type { ColumnSpec } from '../lib/columns';
import { columnsOf } from '../lib/columns';
import { formatTime, rateOf } from '../lib/format';
import { useNow } from '../lib/now';
import { reasonsOnce } from '../lib/once';
import { restartSeen, serverFacts } from '../lib/server';
import { visible } from '../lib/visible';
import { counted } from '../lib/words';
import { HistoryChart } from './Chart';
import { ChooseTarget, ErrorView } from './Errors';
import { FactGrid } from './FactGrid';
import { Figures } from './Figures';
import { LEVEL_ORDER, LEVEL_WORDS, LevelIcon, worst } from './Level';
import { pageOf } from './nav';
import { NoRows, PanelFrame } from './Panel';
import { Problems } from './Problems';
import { Shown } from './Shown';

/** How a page shows one of the API's panels. */
export interface PanelView {
  /** `page.panel` of the API. */
  name: string;
  columns?: readonly ColumnSpec[];
  sort?: string;
  half?: boolean;
  /** Two others stand beside it. */
  tall?: boolean;
  /** One row, written as a list of facts. */
  facts?: boolean;
  /** What draws the rows in place of a table. */
  draw?: (panel: Panel, page: GenericPage) => ReactNode;
  cells?: Record<string, (row: Row) => ReactNode>;
  detail?: (row: Row) => ReactNode;
  /** Not worth a panel while it has no rows. */
  optional?: boolean;
}

export interface PageView {
  to: string;
  title: string;
  question: string;
  /** The API's pages that it is made of. */
  sources: readonly string[];
  panels: readonly PanelView[];
  /** Figures whose charts are open at first; without it the first two that have a past. */
  charts?: readonly string[];
}

export interface Loaded {
  source: string;
  answer: Answer<GenericPage>;
  receivedAt: number;
}

export function VerdictBanner({ verdicts }: { verdicts: readonly Verdict[] }) {
  const level = worst(verdicts.map((verdict) => verdict.level));
  const sorted = [...verdicts].sort((a, b) => LEVEL_ORDER[b.level] - LEVEL_ORDER[a.level]);
  // Of several, those that are worse than ok; if none is, what the first says.
  const said = sorted.filter(
    (verdict, i) =>
      i === 0 || (verdict.level !== 'ok' && sorted.findIndex((other) => other.sentence === verdict.sentence) === i),
  );
  return (
    <div className={`verdict verdict-${level}`} role="status">
      <LevelIcon level={level} size={22} />
      <div>
        {said.map((verdict, i) => (
          <p key={verdict.sentence} className={i === 0 ? 'verdict-text' : 'verdict-more'}>
            {i === 0 ? <strong className={`level-${level}`}>{LEVEL_WORDS[level]}: </strong> : null}
            {verdict.sentence}
          </p>
        ))}
      </div>
    </div>
  );
}

export function PageHead({ title, question, children }: { title: string; question: string; children?: ReactNode }) {
  return (
    <header className="page-head">
      <h1>{title}</h1>
      <p>{question}</p>
      {children}
    </header>
  );
}

function TargetFacts({ target, asOf, receivedAt }: { target: TargetRef; asOf: string; receivedAt: number }) {
  const [search, change] = useAddress();
  // By pgmon's clock: the browser's may be wrong.
  const now = Date.parse(asOf) + Math.max(0, useNow() - receivedAt);
  const { started, fresh, watched } = serverFacts(target, now, restartSeen(target));
  return (
    <div className="facts">
      {target.datnames.length > 1 ? (
        <label>
          Database{' '}
          <select
            className="filter"
            value={search.datname ?? target.datname ?? ''}
            onChange={(event) => change({ datname: event.currentTarget.value || undefined })}
          >
            {target.datnames.map((name) => (
              <option key={name} value={name}>
                {visible(name)}
              </option>
            ))}
          </select>
        </label>
      ) : target.datname === null ? null : (
        <span>
          database <Shown text={target.datname} />
        </span>
      )}
      {target.version === null ? null : <span>PostgreSQL {target.version.replace(/ \(.*/, '')}</span>}
      {target.role === 'unknown' ? null : <span>{target.role}</span>}
      {started === undefined || target.started_at === null ? null : (
        <span
          className={fresh ? 'tag tag-warn' : undefined}
          title={`The server started at ${formatTime(target.started_at, search.tz === 'utc' ? 'utc' : 'local')}.`}
        >
          {fresh ? <IconRotate size={13} aria-hidden /> : null}
          {started}
        </span>
      )}
      <span title="How long pgmon has had this state without a break">{watched}</span>
    </div>
  );
}

function Skeleton({ view }: { view: PageView }) {
  return (
    <div aria-busy="true" className="main-wait">
      <span className="visually-hidden" role="status">
        Loading {view.title}
      </span>
      <div className="skeleton wait-verdict" />
      <div className="figures" data-n={8}>
        {Array.from({ length: 8 }, (_, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
          <div key={i} className="figure skeleton" />
        ))}
      </div>
      {view.panels.slice(0, 3).map((panel) => (
        <div key={panel.name} className="skeleton wait-panel" />
      ))}
    </div>
  );
}

export function Facts({ rows, columns }: { rows: readonly Row[]; columns: readonly ColumnSpec[] }) {
  const { shown, more } = useMemo(() => columnsOf(rows, columns), [rows, columns]);
  return (
    <div className="panel-pad">
      {rows.map((row, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows of facts have no names
        <FactGrid key={i} row={row} columns={[...shown, ...more]} />
      ))}
    </div>
  );
}

/** Of a page that is made of several of the API's: whose figure or panel it is, where its own name does not say. */
const PREFIXES: Record<string, string> = { indexes: 'Indexes', bloat: 'Bloat' };

function prefixed(source: string, text: string): string {
  const prefix = PREFIXES[source];
  return prefix === undefined || text.toLowerCase().startsWith(prefix.toLowerCase())
    ? text
    : `${prefix}: ${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

const NO_COLUMNS: readonly ColumnSpec[] = [];
const NO_ROWS: readonly Row[] = [];

/** Tables come in a chunk of their own: the verdict is seen before them. */
const importTablePanel = () => import('./TablePanel');
const TablePanel = lazy(importTablePanel);

function PanelOf({ view, loaded, said }: { view: PanelView; loaded: Loaded; said: ReadonlySet<string> }) {
  const name = view.name.slice(view.name.indexOf('.') + 1);
  const found = loaded.answer.data.panels[name];
  if (found === undefined) return null;
  const panel = {
    ...found,
    title: prefixed(loaded.source, found.title),
    reason: found.reason !== null && said.has(found.reason) ? null : found.reason,
  };
  const rows = panel.rows ?? NO_ROWS;
  if (view.optional === true && rows.length === 0 && panel.state === 'ok') return null;
  const frame = {
    id: view.name.replace(/^statements\/[^.]*/, 'statement').replaceAll(/[._]/g, '-'),
    executed: loaded.answer.executed,
    receivedAt: loaded.receivedAt,
    size: view.half !== true ? ('' as const) : view.tall === true ? ('half tall' as const) : ('half' as const),
  };
  if (view.draw === undefined && view.facts !== true)
    return (
      <Suspense fallback={<div aria-busy="true" className={`panel skeleton wait-panel ${frame.size}`} />}>
        <TablePanel view={view} panel={panel} frame={frame} />
      </Suspense>
    );
  return (
    <PanelFrame {...frame} panel={panel}>
      {rows.length === 0 ? (
        <NoRows panel={panel} />
      ) : view.draw === undefined ? (
        <Facts rows={rows} columns={view.columns ?? NO_COLUMNS} />
      ) : (
        <Suspense>{view.draw(panel, loaded.answer.data)}</Suspense>
      )}
    </PanelFrame>
  );
}

/** The charts of the figures that are chosen. */
export function Charts({ figures, shown }: { figures: readonly Figure[]; shown: ReadonlySet<string> }) {
  const drawn = figures.filter((figure) => figure.history !== null && shown.has(figure.id));
  if (drawn.length === 0) return null;
  return (
    <div className="charts">
      {drawn.map((figure) =>
        figure.history === null ? null : (
          <HistoryChart
            key={figure.id}
            title={figure.label}
            metric={figure.history}
            unit={figure.history.counter ? rateOf(figure.unit) : figure.unit}
            thresholds={figure.thresholds}
          />
        ),
      )}
    </div>
  );
}

export function useCharts(figures: readonly Figure[], preset: readonly string[] | undefined) {
  const [search, change] = useAddress();
  const withPast = figures.filter((figure) => figure.history !== null).map((figure) => figure.id);
  const first = preset === undefined ? withPast.slice(0, 2) : withPast.filter((id) => preset.includes(id));
  const shown = new Set(search.charts === undefined ? first : search.charts.split(','));
  const toggle = (id: string) => {
    const next = withPast.filter((each) => (each === id ? !shown.has(id) : shown.has(each)));
    change({ charts: next.length === 0 ? 'none' : next.join(',') });
  };
  return { shown, toggle };
}

function useLoaded(sources: readonly string[]) {
  // A page has at most three sources, always the same ones: the hooks are called in one order.
  const first = usePage(sources[0] ?? '');
  const second = usePage(sources[1] ?? sources[0] ?? '');
  const third = usePage(sources[2] ?? sources[0] ?? '');
  return [first, second, third].slice(0, sources.length).map((query, i) => ({ source: sources[i] ?? '', query }));
}

/** Whoever comes for one panel sees it first, once it is there. */
export function useScrollTo(ready: boolean) {
  const hash = useRouterState({ select: (state) => state.location.hash });
  useEffect(() => {
    if (ready && hash !== '') document.getElementById(hash)?.scrollIntoView();
  }, [ready, hash]);
}

let begun = false;

/** So many panels may be in sight at first. */
const IN_SIGHT = 2;

/**
 * The very first page shows its verdict, figures and problems before it draws what stands below them, and of that what
 * is in sight before the rest: how many panels are drawn, if any.
 */
function useBelow(ready: boolean): number | undefined {
  const [drawn, setDrawn] = useState<number | undefined>(begun ? Number.POSITIVE_INFINITY : undefined);
  useEffect(() => {
    if (!ready || drawn === Number.POSITIVE_INFINITY) return;
    begun = true;
    const draw = () => startTransition(() => setDrawn(drawn === undefined ? IN_SIGHT : Number.POSITIVE_INFINITY));
    void importTablePanel().then(draw, draw);
  }, [ready, drawn]);
  return ready ? drawn : undefined;
}

/** A page: a verdict, figures, problems, then the evidence. */
export function Page({
  view,
  above,
  missing,
}: {
  view: PageView;
  above?: (loaded: readonly Loaded[]) => ReactNode;
  /** What to say where there is no such thing. */
  missing?: ReactNode;
}) {
  const queries = useLoaded(view.sources);
  const chosen = useChosen();
  const loaded: Loaded[] = queries.flatMap(({ source, query }) =>
    query.data === undefined ? [] : [{ source, answer: query.data, receivedAt: query.dataUpdatedAt }],
  );
  const failed = queries.find(({ query }) => query.isError);
  const figures = loaded
    .flatMap(({ source, answer }) =>
      answer.data.figures.map((figure) => ({ ...figure, label: prefixed(source, figure.label) })),
    )
    .filter((each, i, all) => all.findIndex((other) => other.id === each.id) === i);
  const charts = useCharts(figures, view.charts);
  const first = loaded[0];
  const waiting = first === undefined || (loaded.length < queries.length && failed === undefined);
  const below = useBelow(!waiting);
  const named = new Set(view.panels.map((panel) => panel.name));
  // Panels that this page does not know yet are shown all the same.
  const others = loaded.flatMap(({ source, answer }) =>
    Object.keys(answer.data.panels)
      .map((name) => `${source}.${name}`)
      .filter((name) => !named.has(name)),
  );
  const panels = [...view.panels, ...others.map((name): PanelView => ({ name }))];
  const whole = below !== undefined && below >= panels.length;
  useScrollTo(whole);
  const problems = loaded
    .flatMap(({ answer }) => answer.data.problems)
    .filter((each, i, all) => all.findIndex((other) => other.id === each.id) === i)
    .sort((a, b) => LEVEL_ORDER[b.level] - LEVEL_ORDER[a.level]);
  const once = reasonsOnce(
    loaded.flatMap(({ answer }) => Object.values(answer.data.panels).map(({ reason }) => reason)),
    loaded.map(({ answer }) => answer.data.verdict.sentence),
  );
  return (
    <>
      <PageHead title={view.title} question={view.question}>
        {first === undefined ? null : (
          <TargetFacts target={first.answer.data.target} asOf={first.answer.as_of} receivedAt={first.receivedAt} />
        )}
      </PageHead>
      {failed?.query.error ? <ErrorView error={failed.query.error} title={view.title} missing={missing} /> : null}
      {chosen === 'no' ? (
        <ChooseTarget />
      ) : waiting ? (
        failed === undefined ? (
          <Skeleton view={view} />
        ) : null
      ) : (
        <>
          <VerdictBanner verdicts={loaded.map(({ answer }) => answer.data.verdict)} />
          {figures.length === 0 ? null : <Figures figures={figures} shown={charts.shown} onToggle={charts.toggle} />}
          {problems.length === 0 ? null : <Problems problems={problems} asOf={first.answer.as_of} here={view.to} />}
          {above?.(loaded)}
          {below === undefined ? null : (
            <>
              <Charts figures={figures} shown={charts.shown} />
              {once.above.map(({ reason, count }) => (
                <div key={reason} className="state-line panel">
                  <IconInfoCircle size={16} aria-hidden />
                  <div>
                    {counted(count, 'panel')} of this page: {reason}
                  </div>
                </div>
              ))}
              <div className="panels">
                {panels.slice(0, below).map((panel) => {
                  const from = loaded.find(({ source }) => panel.name.startsWith(`${source}.`));
                  return from === undefined ? null : (
                    <PanelOf key={panel.name} view={panel} loaded={from} said={once.said} />
                  );
                })}
              </div>
            </>
          )}
          {whole ? null : <div key={below} aria-busy="true" className="skeleton wait-panel" />}
        </>
      )}
    </>
  );
}

/** The frame of a page that is in the navigation. */
export function viewOf(source: string, rest: Pick<PageView, 'panels' | 'charts'>): PageView {
  const item = pageOf(source);
  if (item === undefined) throw new Error(`no page shows ${source}`);
  return { to: item.to, title: item.label, question: item.question, sources: item.pages, ...rest };
}
