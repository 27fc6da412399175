/** Keys that work on every page, and the list of them. */

import { NAV_ITEMS } from '../components/nav';

/** After `g`: where to. */
export const GO: Record<string, string> = Object.fromEntries(NAV_ITEMS.map(({ key, to }) => [key, to]));

export interface KeyGroup {
  title: string;
  keys: readonly (readonly [string, string])[];
}

export const KEYS: readonly KeyGroup[] = [
  {
    title: 'Everywhere',
    keys: [
      ['/', 'Search; choose a database'],
      ['r', 'Refresh now'],
      ['p', 'Pause and resume refreshing'],
      ['[', 'A shorter time range'],
      [']', 'A longer time range'],
      ['?', 'This list'],
      ['Esc', 'Close what is open'],
    ],
  },
  {
    title: 'In what has the focus',
    keys: [
      ['Tab', 'To the next control, link or table'],
      ['Enter', 'Press it: sort by a column, open a row, open the SQL'],
      ['↑ ↓', 'Move in a menu, in what was found, in a table that scrolls'],
      ['← →', 'Move along a chart'],
    ],
  },
  { title: 'Go to', keys: NAV_ITEMS.map(({ key, label }) => [`g ${key}`, label] as const) },
];
