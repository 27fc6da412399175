import { useDebouncedValue } from '@mantine/hooks';
import { useNavigate, useRouterState } from '@tanstack/react-router';
import { type KeyboardEvent, useId, useMemo, useState } from 'react';
import { useAnswer, useChosen, useClusters, useFleet, usePage, useServices, useTarget } from '../api/queries';
import type { GenericPage, Level, Row } from '../api/types';
import { useAddress } from '../lib/address';
import { clusterChoices, indexChoice, rank, serviceChoice, statementChoice, tableChoice, wordsOf } from '../lib/finder';
import { type Place, placeElsewhere } from '../lib/places';
import { forTarget, kept, type Search } from '../lib/search';
import { visible } from '../lib/visible';
import { LevelTag } from './Level';
import { NAV_ITEMS } from './nav';
import { Shown } from './Shown';

interface Choice {
  id: string;
  label: string;
  what: string;
  level?: Level;
  to: string;
  params?: Record<string, string>;
  search: Search;
  hash?: string;
}

/** So many are shown, and asked for of each kind. */
const MOST = 60;
const MOST_OF_A_KIND = 20;

/** The rows of a panel that hold the text, as the server finds them: a database may have thousands. */
function useFound(path: string, panel: string, text: string): { rows: readonly Row[]; waiting: boolean } {
  const target = useTarget();
  const chosen = useChosen() === 'yes';
  const answer = useAnswer<GenericPage>(
    path,
    { ...target, panel, limit: String(MOST_OF_A_KIND), q: text },
    chosen && text !== '',
  );
  return { rows: (text === '' ? null : answer.data?.data.panels[panel]?.rows) ?? [], waiting: answer.isLoading };
}

/** Finds pages, databases, clusters and their members, services, tables, indexes, statements and collectors; also how to choose a database. */
export function Finder({ onDone }: { onDone: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const [search] = useAddress();
  const navigate = useNavigate();
  const list = useId();
  const fleet = useFleet();
  const agent = usePage('collectors');
  const [asked] = useDebouncedValue(wordsOf(text).longest, 200);
  const tables = useFound('storage', 'tables', asked);
  const indexes = useFound('indexes', 'indexes', asked);
  const statements = useFound('top-queries', 'statements', asked);
  const services = useServices({ q: asked, limit: String(MOST_OF_A_KIND) }, asked !== '');
  const clusters = useClusters();
  const waiting = tables.waiting || indexes.waiting || statements.waiting || asked !== wordsOf(text).longest;
  const path = useRouterState({ select: (state) => state.location.pathname });
  const choices = useMemo<Choice[]>(() => {
    const targets = (fleet.data?.data.targets ?? []).map(
      (target): Choice => ({
        id: `db ${target.cluster}/${target.db}`,
        label: `${target.cluster} / ${target.db}`,
        what: 'database',
        level: target.level,
        to: placeElsewhere(path),
        search: forTarget(search, target.cluster, target.db),
      }),
    );
    const pages = NAV_ITEMS.map(
      (item): Choice => ({ id: `page ${item.to}`, label: item.label, what: 'page', to: item.to, search: kept(search) }),
    );
    const collectors = (agent.data?.data.panels.collectors?.rows ?? []).map(
      (row): Choice => ({
        id: `collector ${row.name}`,
        label: String(row.title),
        what: `collector ${String(row.name)}`,
        to: '/collectors/$name',
        params: { name: String(row.name) },
        search: kept(search),
      }),
    );
    const inside = (
      found: { id: string; label: string; what: string; level?: Level; place: Place } | undefined,
    ): Choice[] => {
      if (found === undefined) return [];
      const { place, ...choice } = found;
      return [{ ...choice, ...place, search: { ...kept(search), ...place.search } }];
    };
    const global = [
      ...(clusters.data?.data.clusters ?? []).flatMap((view) => clusterChoices(view).flatMap(inside)),
      ...(asked === '' ? [] : (services.data?.data.services ?? [])).flatMap((service) =>
        inside(serviceChoice(service)),
      ),
    ];
    const things = [
      ...tables.rows.flatMap((row) => inside(tableChoice(row))),
      ...indexes.rows.flatMap((row) => inside(indexChoice(row))),
      ...statements.rows.flatMap((row) => inside(statementChoice(row))),
    ];
    const queryid = text.trim();
    const byId: Choice[] = /^-?\d{3,20}$/.test(queryid)
      ? [
          {
            id: `statement ${queryid}`,
            label: `Statement ${queryid}`,
            what: 'query ID',
            to: '/queries/$queryid',
            params: { queryid },
            search: kept(search),
          },
        ]
      : [];
    const found = rank([...targets, ...pages, ...global, ...things, ...collectors], wordsOf(text));
    return [...byId, ...found]
      .filter((choice, i, all) => all.findIndex((other) => other.id === choice.id) === i)
      .slice(0, MOST);
  }, [
    fleet.data,
    agent.data,
    tables.rows,
    indexes.rows,
    statements.rows,
    services.data,
    clusters.data,
    asked,
    path,
    search,
    text,
  ]);
  const current = choices[Math.min(at, choices.length - 1)];
  const go = (choice: Choice | undefined) => {
    if (choice === undefined) return;
    onDone();
    const { to, params = {}, hash = '' } = choice;
    void navigate({ to, params, hash, search: choice.search } as never);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setAt(Math.min(at + 1, choices.length - 1));
    else if (event.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
    else if (event.key === 'Enter') go(current);
    else return;
    event.preventDefault();
  };
  return (
    <div>
      <input
        className="wide-input"
        data-autofocus
        type="search"
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={current === undefined ? undefined : `${list}-${choices.indexOf(current)}`}
        aria-label="Search databases, pages, clusters, services, tables, indexes, statements and collectors"
        placeholder="A database, page, cluster, service, table, index, statement or query ID"
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <p className={choices.length === 0 ? 'empty' : 'visually-hidden'} role="status">
        {choices.length > 0
          ? `${choices.length} found`
          : waiting
            ? 'Searching'
            : `Nothing has that name${search.db === undefined && (fleet.data?.data.targets.length ?? 0) > 1 ? '. Tables, indexes and statements are found once a database is chosen.' : '.'}`}
      </p>
      <div className="choices" role="listbox" id={list} aria-label="Found">
        {choices.map((choice, i) => (
          <button
            type="button"
            key={choice.id}
            id={`${list}-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={choice === current}
            className="choice"
            ref={choice === current ? (element) => element?.scrollIntoView({ block: 'nearest' }) : undefined}
            onClick={() => go(choice)}
          >
            {choice.level === undefined ? null : <LevelTag level={choice.level} bare />}
            <span className="choice-name" title={visible(choice.label)}>
              <Shown text={choice.label} />
            </span>
            <span className="kind">
              <Shown text={choice.what} />
            </span>
          </button>
        ))}
      </div>
    </div>
  );
}
