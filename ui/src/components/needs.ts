import type { Row } from '../api/types';
import type { Column } from '../lib/columns';
import { formatTime } from '../lib/format';
import { asText } from '../lib/text';
import { visible } from '../lib/visible';
import type { Need } from '../lib/widths';
import type { Measure } from './measure';
import { isNumeric } from './Value';

/** So many rows are measured. Beyond, figures get what any of their kind takes. */
const MOST_ROWS = 400;
const USUAL: Record<string, string> = { id: '0000000000', lsn: '000/00000000', count: '-00,000', ratio: '>00.00 %' };

export function textOf(column: Column, row: Row): string {
  return column.text?.(row) ?? asText(row[column.key], column.kind, column.key);
}

function timesOf(column: Column, rows: readonly Row[], zone: 'local' | 'utc'): string[] {
  const at = rows.map((row) => row[column.key]).find((value) => typeof value === 'string');
  // All times of a zone are written alike; only its name may change with the clocks.
  return at === undefined ? [] : [formatTime(String(at), zone), formatTime(Date.now(), zone)];
}

/** What a column needs, so that its figures and its head are whole; texts may be cut, with the rest in the details. */
export function needOf(
  column: Column,
  rows: readonly Row[],
  measure: Measure,
  zone: 'local' | 'utc',
  first: boolean,
): Need {
  const { rem } = measure;
  const step = Math.max(1, Math.floor(rows.length / MOST_ROWS));
  const seen = step === 1 ? rows : rows.filter((_, i) => i % step === 0);
  const mono = column.kind === 'sql' || column.kind === 'queryid';
  const strong = column.text !== undefined && isNumeric(column.kind);
  const face = mono ? 'mono' : strong ? 'strong' : 'cell';
  const lists = column.kind === 'text' || column.kind === 'sql' || column.kind === 'list';
  let texts: string[];
  if (column.kind === 'level') texts = ['Unknown', 'Warning', 'Critical'];
  else if (column.kind === 'remedy') texts = ['SQL in the details'];
  else if (column.kind === 'time') texts = timesOf(column, rows, zone);
  else {
    texts = seen.map((row) => visible(textOf(column, row)).slice(0, 400));
    // The longest by count are the longest drawn, or near it.
    if (lists) texts = [...new Set(texts)].sort((a, b) => b.length - a.length).slice(0, 12);
    else if (step > 1) texts.push(USUAL[column.kind] ?? '-00.0 MiB/s');
  }
  const inside = Math.max(0, ...texts.map((text) => measure.width(text, column.kind === 'level' ? 'strong' : face)));
  const around =
    (1.2 + (first ? 1.35 : 0) + (column.drawn === true ? 4 : 0) + (column.kind === 'level' ? 0.3 : 0)) * rem;
  const icon = column.kind === 'level' ? 16 : 0;
  const head = measure.width(column.label, 'head') + 1.4 * rem + 14;
  // A pixel or two for what browsers round.
  const full = Math.ceil(Math.max(head, inside + around + icon + 2));
  const cut = (most: number) => (lists ? Math.max(Math.ceil(head), Math.min(full, Math.round(most * rem))) : full);
  const hint = column.rank >= 3;
  return {
    key: column.key,
    least: cut(column.kind === 'sql' ? 15 : first ? 9.5 : hint ? 12 : 7),
    want: cut(column.kind === 'sql' ? 30 : 22),
    full,
    rank: column.rank,
  };
}
