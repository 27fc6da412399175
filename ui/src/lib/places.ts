/** Where to see what a problem is about, or what the finder has found: a page, a row of it, a filter. */

import type { Problem, Row } from '../api/types';
import { rowIds } from './columns';
import type { Search } from './search';

export interface Place {
  to: string;
  params?: Record<string, string>;
  /** What it adds to the address's parameters. */
  search: Search;
  /** The panel. */
  hash?: string;
}

/** A panel, with only those rows that hold the text. */
function filtered(to: string, panel: string, text: string): Place {
  return { to, search: { [`q.${panel}`]: text }, hash: panel };
}

/** A panel, with that row open. */
export function rowPlace(to: string, panel: string, row: Row, text: string): Place {
  const [id] = rowIds([row]);
  return { to, search: { [`q.${panel}`]: text, open: `${panel}:${id}` }, hash: panel };
}

/** Tables write names as parts, without the quotes that SQL needs. */
function unquoted(name: string): string {
  return name.replaceAll('""', '\u0000').replaceAll('"', '').replaceAll('\u0000', '"');
}

const BY_ID: readonly [RegExp, (problem: Problem, object: string) => Place][] = [
  [/^vacuum:/, (_, object) => filtered('/autovacuum', 'autovacuum-tables', object)],
  [/^stale_statistics$/, () => ({ to: '/autovacuum', search: {}, hash: 'autovacuum-stale-statistics' })],
  [/^xmin_horizon$/, () => ({ to: '/autovacuum', search: {}, hash: 'autovacuum-xmin-holders' })],
  [/^index:/, (_, object) => filtered('/storage', 'indexes-findings', object)],
  [
    /^bloat:/,
    ({ title }, object) =>
      filtered('/storage', /index/i.test(title) ? 'bloat-indexes' : 'bloat-tables', unquoted(object)),
  ],
  [/^sequence:/, (_, object) => filtered('/storage', 'storage-sequences', object)],
  [/^partitions:/, () => ({ to: '/partitions', search: {}, hash: 'partitions-tables' })],
  [/^slot:/, (_, object) => filtered('/replication', 'replication-slots', object)],
  [/^(wraparound:|freeze_overdue$)/, (_, object) => filtered('/wraparound', 'wraparound-databases', object)],
  [/^long_transaction:/, (_, object) => filtered('/activity', 'activity-sessions', object)],
  [/^setting:/, (_, object) => filtered('/settings', 'settings-all', object)],
  [/^(late|budget):/, (_, object) => filtered('/agent', 'collectors-loops', object)],
  [/^blind:/, (_, object) => filtered('/agent', 'collectors-grants', object)],
  [/^checksum:/, (_, object) => filtered('/io', 'io-databases', object)],
];

/** The place of what a problem is about, beyond its page; none where there is no more to see than the page. */
export function placeOf(problem: Problem): Place | undefined {
  const { object, page, id } = problem;
  if (object === null) return undefined;
  if (page === 'top-queries' && /^-?\d+$/.test(object))
    return { to: '/queries/$queryid', params: { queryid: object }, search: {} };
  if (page === 'locks') return { to: '/activity', search: {}, hash: 'locks-tree' };
  if (page === 'collectors' && id.startsWith(`failing:${object}`)) {
    const datname = id.slice(`failing:${object}:`.length);
    return { to: '/collectors/$name', params: { name: object }, search: datname === '' ? {} : { datname } };
  }
  return BY_ID.find(([pattern]) => pattern.test(id))?.[1](problem, object);
}

/** The same page for another database. What is about one thing of one database is left for where such things are listed. */
export function placeElsewhere(path: string): string {
  if (path === '/fleet' || path === '/clusters' || path === '/services') return '/';
  return path.startsWith('/queries/') ? '/queries' : path;
}
