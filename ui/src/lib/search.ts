/** The state that the address holds. Flat strings: a JSON parser would round a queryid. */

export type Search = Record<string, string>;

export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== '') params.set(key, String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

/** What goes along from page to page; the rest belongs to one. */
const KEPT = ['cluster', 'db', 'datname', 't', 'every', 'tz'];

export function kept(search: Search): Search {
  return Object.fromEntries(Object.entries(search).filter(([key]) => KEPT.includes(key)));
}

export function forTarget(search: Search, cluster: string, db: string): Search {
  const { datname: _, ...rest } = kept(search);
  return { ...rest, cluster, db };
}

export const RANGES = [
  { id: '15m', label: '15 min', seconds: 900 },
  { id: '1h', label: '1 hour', seconds: 3600 },
  { id: '6h', label: '6 hours', seconds: 6 * 3600 },
  { id: '24h', label: '24 hours', seconds: 86_400 },
  { id: '7d', label: '7 days', seconds: 7 * 86_400 },
] as const;

const HOUR = RANGES[1];

export function rangeOf(search: Search): (typeof RANGES)[number] {
  return RANGES.find((range) => range.id === search.t) ?? HOUR;
}

export const EVERY = [5, 15, 60] as const;

/** Seconds between refreshes; 0 = paused. */
export function everyOf(search: Search): number {
  if (search.every === 'off') return 0;
  const seconds = Number(search.every ?? '15');
  return EVERY.find((known) => known === seconds) ?? 15;
}

export interface Sorting {
  key: string;
  desc: boolean;
}

/** `-total_bytes`: falling. */
export function parseSort(text: string | undefined): Sorting | undefined {
  if (text === undefined || text === '' || text === '-') return undefined;
  return text.startsWith('-') ? { key: text.slice(1), desc: true } : { key: text, desc: false };
}

export function writeSort(sorting: Sorting | undefined): string | undefined {
  return sorting === undefined ? undefined : `${sorting.desc ? '-' : ''}${sorting.key}`;
}
