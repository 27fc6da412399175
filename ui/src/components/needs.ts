import type { Row } from '../api/types';
import type { Column } from '../lib/columns';
import { formatTime, UNKNOWN } from '../lib/format';
import { asText } from '../lib/text';
import { visible } from '../lib/visible';
import type { Need } from '../lib/widths';
import type { Face, Measure } from './measure';
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

function textsOf(column: Column, rows: readonly Row[], zone: 'local' | 'utc'): string[] {
  if (column.kind === 'level' && column.text === undefined) return ['Unknown', 'Warning', 'Critical'];
  if (column.kind === 'remedy') return ['SQL in the details'];
  if (column.kind === 'time') return timesOf(column, rows, zone);
  const step = Math.max(1, Math.floor(rows.length / MOST_ROWS));
  const seen = step === 1 ? rows : rows.filter((_, i) => i % step === 0);
  const texts = [...new Set(seen.map((row) => visible(textOf(column, row)).slice(0, 400)))];
  if (mayBeCut(column)) {
    // The longest by count are the longest drawn, or near it.
    return texts.sort((a, b) => b.length - a.length).slice(0, 12);
  }
  return step === 1 ? texts : [...texts, USUAL[column.kind] ?? '-00.0 MiB/s'];
}

/** Texts may be cut, with the rest in a title and in the details. Figures never. */
function mayBeCut(column: Column): boolean {
  return column.kind === 'text' || column.kind === 'sql' || column.kind === 'list';
}

/** What a text should have at least, in rem. On a small screen figures come before whole names. */
function leastOf(column: Column, first: boolean, small: boolean): number {
  if (column.kind === 'sql') return small ? 14 : 24;
  if (!small && column.least !== undefined) return column.least;
  if (first) return small ? 9.5 : 15;
  if (column.rank >= 3) return 13;
  return small ? 7 : 9;
}

function faceOf(column: Column): Face {
  if (column.kind === 'sql' || column.kind === 'queryid') return 'mono';
  // What a page writes in place of a figure may be emphasised.
  return column.kind === 'level' || (column.text !== undefined && isNumeric(column.kind)) ? 'strong' : 'cell';
}

/** Beside the text: the cell's padding, what opens the row, a bar, an icon. */
function aroundOf(column: Column, first: boolean, rem: number, narrow: boolean): number {
  const level = column.kind === 'level';
  const parts = 1.2 + (first ? 1.35 : 0) + (column.drawn === true ? (narrow ? 1 : 4) : 0) + (level ? 0.3 : 0);
  // A pixel or two for what browsers round.
  return parts * rem + (level ? 16 : 0) + 2;
}

/** Too narrow for what is drawn beside figures. */
export function isNarrow(room: number, rem: number): boolean {
  return room < 34 * rem;
}

/** What a column needs for its figures and its head to be whole. */
export function needOf(
  column: Column,
  rows: readonly Row[],
  measure: Measure,
  zone: 'local' | 'utc',
  first: boolean,
  room: number,
): Need {
  const { rem } = measure;
  const texts = textsOf(column, rows, zone);
  const inside = texts.reduce((most, text) => Math.max(most, measure.width(text, faceOf(column))), 0);
  const head = Math.ceil(measure.width(column.label, 'head') + 1.4 * rem + 14);
  const full = Math.max(head, Math.ceil(inside + aroundOf(column, first, rem, isNarrow(room, rem))));
  const cut = (most: number) => (mayBeCut(column) ? Math.max(head, Math.min(full, Math.round(most * rem))) : full);
  // A column that says nothing makes room first.
  const silent = texts.length > 0 && texts.every((text) => text === UNKNOWN || text === 'none');
  return {
    key: column.key,
    least: cut(leastOf(column, first, room < 50 * rem)),
    want: cut(column.kind === 'sql' ? 30 : 22),
    full,
    rank: silent ? 9 : column.rank,
    text: mayBeCut(column),
  };
}
