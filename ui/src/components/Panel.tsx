import {
  IconAlertTriangle,
  IconChevronRight,
  IconCircleCheck,
  IconClockPause,
  IconHourglass,
  IconKey,
  IconPlugConnectedX,
  IconVersionsOff,
} from '@tabler/icons-react';
import { type ReactNode, useId, useState } from 'react';
import type { Executed, Need, Panel as PanelData, State } from '../api/types';
import { noRowsText } from '../lib/empty';
import { formatAge, formatDuration } from '../lib/format';
import { useNow } from '../lib/now';
import { sentence } from '../lib/visible';
import { Shown } from './Shown';
import { Sql } from './Sql';
import { Time } from './Value';

const STATES: Record<Exclude<State, 'ok'>, { word: string; tone: string; icon: typeof IconKey }> = {
  degraded: { word: 'Degraded', tone: 'warn', icon: IconKey },
  stale: { word: 'Stale', tone: 'warn', icon: IconClockPause },
  pending: { word: 'Pending', tone: 'unknown', icon: IconHourglass },
  unsupported: { word: 'Unsupported', tone: 'unknown', icon: IconVersionsOff },
  error: { word: 'Error', tone: 'crit', icon: IconPlugConnectedX },
};

export function StateTag({ state }: { state: State }) {
  if (state === 'ok') return null;
  const { word, tone, icon: Icon } = STATES[state];
  return (
    <span className={`tag tag-${tone}`}>
      <Icon size={13} aria-hidden />
      {word}
    </span>
  );
}

/** How old figures are by now: their age in the answer, and the time since. */
export function Age({ seconds, receivedAt }: { seconds: number; receivedAt: number }) {
  const now = useNow();
  return <>{formatAge(seconds + Math.max(0, now - receivedAt) / 1000)} ago</>;
}

function Needs({ needs }: { needs: readonly Need[] }) {
  return needs.map((need) => (
    <div key={`${need.collector} ${need.needs}`} className="state-line">
      <IconKey size={16} aria-hidden className="level-warn" />
      <div>
        Needs <b>{need.needs}</b>. Not seen without it: {sentence(need.effect)}
        {need.remedy === null ? null : <Sql sql={need.remedy} label={`Copy the SQL that brings ${need.needs}`} />}
      </div>
    </div>
  ));
}

export function ReasonLine({ state, reason }: { state: State; reason: string | null }) {
  if (state === 'ok' || reason === null) return null;
  const { icon: Icon, tone } = STATES[state];
  return (
    <div className="state-line">
      <Icon size={16} aria-hidden className={`level-${tone}`} />
      <div>{reason}</div>
    </div>
  );
}

export function Footer({
  executed,
  age,
  receivedAt,
  rows,
}: {
  executed: readonly Executed[];
  age: number | null;
  receivedAt: number;
  rows?: number | undefined;
}) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const took = executed.reduce((sum, each) => sum + each.duration_ms, 0) / 1000;
  const read = executed.reduce((sum, each) => sum + each.rows, 0);
  return (
    <div className="panel-foot">
      <div className="foot-line">
        {executed.length === 0 ? (
          <span>No SQL ran for this yet</span>
        ) : (
          <button
            type="button"
            className="foot-toggle"
            aria-expanded={open}
            aria-controls={id}
            onClick={() => setOpen(!open)}
          >
            <IconChevronRight size={14} aria-hidden />
            <span>
              SQL{executed.length > 1 ? ` (${executed.length} statements)` : ''} · {formatDuration(took)} · {read}{' '}
              {read === 1 ? 'row' : 'rows'}
              {age === null ? null : (
                <>
                  {' '}
                  · <Age seconds={age} receivedAt={receivedAt} />
                </>
              )}
            </span>
          </button>
        )}
        {rows === undefined || rows === read ? null : <span>{rows} shown</span>}
      </div>
      <div id={id} hidden={!open} data-hold>
        {open
          ? executed.map((each) => (
              <div key={`${each.collector} ${each.datname} ${each.started_at} ${each.sql.length}`} className="executed">
                <div className="sql-head">
                  <span>{each.collector}</span>
                  {each.datname === null ? null : (
                    <span>
                      in <Shown text={each.datname} />
                    </span>
                  )}
                  <span>PostgreSQL {each.pg_major}</span>
                  <span>{formatDuration(each.duration_ms / 1000)}</span>
                  <span>
                    {each.rows} {each.rows === 1 ? 'row' : 'rows'}
                  </span>
                  <span>
                    sent <Time at={each.started_at} withDate={false} />
                  </span>
                </div>
                <Sql sql={each.sql} />
              </div>
            ))
          : null}
      </div>
    </div>
  );
}

/** Says why there are no rows: that it is good, or what is missing. */
export function NoRows({ panel }: { panel: PanelData }) {
  const { text, good } = noRowsText(panel);
  return (
    <p className={good ? 'empty good' : 'empty'}>
      {good ? <IconCircleCheck size={18} aria-hidden /> : null}
      {text}
    </p>
  );
}

/** Rows that are older than that, in seconds, say so in the head: ages among them are those of then. */
const READ_LONG_AGO = 120;

/** A panel: title, state, body, and the SQL behind it. */
export function PanelFrame({
  id,
  panel,
  executed,
  receivedAt,
  size = '',
  tools,
  children,
}: {
  id: string;
  panel: PanelData;
  executed: readonly Executed[];
  receivedAt: number;
  size?: '' | 'half' | 'half tall';
  tools?: ReactNode;
  children: ReactNode;
}) {
  const own = executed.filter((each) => panel.collectors.includes(each.collector));
  const head = `${id}-head`;
  return (
    <section className={`panel ${size}`} id={id} aria-labelledby={head} data-state={panel.state}>
      <div className="panel-head">
        <h2 id={head}>{panel.title}</h2>
        <StateTag state={panel.state} />
        {panel.stats_reset_age_seconds === null ? null : (
          <span className="muted">counted for {formatAge(panel.stats_reset_age_seconds)} (since stats_reset)</span>
        )}
        {panel.age_seconds === null || panel.age_seconds < READ_LONG_AGO ? null : (
          <span className="muted">
            read <Age seconds={panel.age_seconds} receivedAt={receivedAt} />
          </span>
        )}
        {tools === undefined ? null : <div className="panel-tools">{tools}</div>}
      </div>
      {panel.note === null ? null : <p className="panel-note">{panel.note}</p>}
      <ReasonLine state={panel.state} reason={panel.reason} />
      <Needs needs={panel.needs} />
      <div className="panel-body">{children}</div>
      {panel.collectors.length === 0 ? null : (
        <Footer executed={own} age={panel.age_seconds} receivedAt={receivedAt} rows={panel.rows?.length} />
      )}
    </section>
  );
}

export function Failure({ title, hint, children }: { title: string; hint: string; children?: ReactNode }) {
  return (
    <section className="panel" role="alert">
      <div className="panel-head">
        <IconAlertTriangle size={18} aria-hidden className="level-crit" />
        <h2>{title}</h2>
      </div>
      <div className="panel-body panel-pad">
        {hint === '' ? null : <p>{hint}</p>}
        {children}
      </div>
    </section>
  );
}
