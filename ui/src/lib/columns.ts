import { type Kind, kindOf, labelOf } from './format';

type Row = Record<string, unknown>;

export interface Column {
  key: string;
  label: string;
  kind: Kind;
  /** What it means, for those who hover. */
  help?: string | undefined;
  /** The text where it is more than the value. */
  text?: ((row: Row) => string | undefined) | undefined;
  /** Whether its cells draw something beside the figure. */
  drawn?: boolean | undefined;
  /** The higher, the sooner it goes into the row's details where there is no room for all. */
  rank: number;
  /** Of a text: how much of it should be seen on a large screen before others stand beside it, in rem. */
  least?: number | undefined;
}

interface Given {
  key: string;
  label?: string;
  kind?: Kind;
  help?: string;
  text?: (row: Row) => string | undefined;
  drawn?: boolean;
  rank?: number;
  least?: number;
  /** Described, and not shown at first. */
  more?: boolean;
}

/** What a page says of a column; the rest follows from its name. */
export type ColumnSpec = string | Given;

/** Holds a page's columns to the fields of the API's rows. */
export function columns<R>(
  ...specs: readonly ((keyof R & string) | (Given & { key: keyof R & string }))[]
): readonly ColumnSpec[] {
  return specs;
}

/**
 * A relation with its schema, from whichever fields have them. `relation`, `index` and `sequence` beside a `name` are
 * what metrics are labelled with, where not every letter may stand: the name is the name.
 */
export function qualified(row: Row): string | undefined {
  const schema = row.schema ?? row.schema_name;
  const name = row.name ?? row.relation ?? row.table_name;
  if (typeof name !== 'string') return undefined;
  return typeof schema === 'string' ? `${schema}.${name}` : name;
}

function sampleOf(rows: readonly Row[], key: string): unknown {
  for (const row of rows) {
    const value = row[key];
    if (value !== null && value !== undefined) return value;
  }
  return undefined;
}

function complete(spec: ColumnSpec, rows: readonly Row[]): Column {
  const given: Given = typeof spec === 'string' ? { key: spec } : spec;
  return {
    key: given.key,
    label: given.label ?? labelOf(given.key),
    kind: given.kind ?? kindOf(given.key, sampleOf(rows, given.key)),
    help: given.help,
    text: given.text,
    drawn: given.drawn,
    rank: given.rank ?? rankOf(given.key),
    least: given.least,
  };
}

function rankOf(key: string): number {
  if (key === 'level') return 1;
  // What is to be said of a row is in its details in full; its figures are what is compared.
  return key === 'hint' ? 3 : 2;
}

const UNIT_WORDS: Partial<Record<Kind, string>> = {
  bytes: 'bytes',
  bytes_per_second: 'bytes/s',
  per_second: 'per second',
  seconds: 'time',
  milliseconds: 'time',
  ratio: 'share',
  percent: 'share',
};

/** The same columns, no two with one label: units tell them apart, or else their names. */
function distinct(all: readonly Column[], named: ReadonlySet<string>): Column[] {
  const uses = new Map<string, Column[]>();
  for (const column of all) uses.set(column.label, [...(uses.get(column.label) ?? []), column]);
  return all.map((column) => {
    const same = uses.get(column.label) ?? [];
    if (same.length < 2 || named.has(column.key)) return column;
    const word = UNIT_WORDS[column.kind];
    const alone = same.every((other) => other === column || UNIT_WORDS[other.kind] !== word);
    // What has no unit needs none, as long as the others are told by theirs.
    if (word === undefined && alone) return column;
    return { ...column, label: `${column.label} (${word !== undefined && alone ? word : column.key})` };
  });
}

/** The columns that a page wants to see at first, then all others that the rows have. */
export function columnsOf(rows: readonly Row[], wanted: readonly ColumnSpec[]): { shown: Column[]; more: Column[] } {
  const keys = new Set(rows.slice(0, 50).flatMap((row) => Object.keys(row)));
  const named = new Set(wanted.map((spec) => (typeof spec === 'string' ? spec : spec.key)));
  const rest = [...keys].filter((key) => !named.has(key));
  // A page's own labels stay as it gives them.
  const given = new Set(
    wanted.flatMap((spec) => (typeof spec === 'string' || spec.label === undefined ? [] : [spec.key])),
  );
  if (wanted.length === 0) {
    // Nobody knows these rows: the first that say something, level first.
    const all = distinct(
      rest.map((key) => complete(key, rows)),
      given,
    );
    const useful = all.filter((column) => column.kind !== 'remedy' && column.key !== 'oid');
    const shown = [...useful.filter((c) => c.kind === 'level'), ...useful.filter((c) => c.kind !== 'level')].slice(
      0,
      10,
    );
    return { shown, more: all.filter((column) => !shown.includes(column)) };
  }
  const first = wanted
    .filter((spec) => rows.length === 0 || keys.has(typeof spec === 'string' ? spec : spec.key))
    .map((spec) => complete(spec, rows));
  const all = distinct([...first, ...rest.map((key) => complete(key, rows))], given);
  const hidden = new Set(wanted.flatMap((spec) => (typeof spec !== 'string' && spec.more === true ? [spec.key] : [])));
  const shown = all.filter((column, i) => i < first.length && !hidden.has(column.key));
  return { shown, more: all.filter((column) => !shown.includes(column)) };
}

const NAMES = [
  'id',
  'queryid',
  'index',
  'relation',
  'sequence',
  'slot_name',
  'replica',
  'subscription',
  'schema',
  'schema_name',
  'table_name',
  'name',
  'datname',
  'pid',
  'gid',
  'collector',
  'loop',
  'needs',
  'right',
  'holder',
  'page',
  'probe',
  'backend_type',
  'object',
  'context',
  'mode',
  'state',
  'wait_event_type',
  'wait_event',
  'command',
  'kind',
  'text',
  'own',
  'in_database',
];

/** The same names, those that are there before with a number. */
export function unique(ids: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return ids.map((id) => {
    const before = seen.get(id) ?? 0;
    seen.set(id, before + 1);
    return before === 0 ? id : `${id}#${before + 1}`;
  });
}

/** A name for each row that stays the same in the next answer. */
export function rowIds(rows: readonly Row[]): string[] {
  return unique(
    rows.map((row) => {
      const own = NAMES.map((name) => row[name])
        .filter((value) => value !== null && value !== undefined)
        .join('/');
      return own === '' ? 'row' : own.slice(0, 200);
    }),
  );
}
