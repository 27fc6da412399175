/** What a panel without rows says. */

import type { Panel } from '../api/types';

export interface NoRowsText {
  text: string;
  /** Whether it is known that there is none, and that this is good. */
  good: boolean;
}

/** Only what was seen whole, and lately, can be said to be good. */
export function noRowsText({ state, rows, empty }: Pick<Panel, 'state' | 'rows' | 'empty'>): NoRowsText {
  const sorry = (text: string): NoRowsText => ({ text, good: false });
  switch (state) {
    case 'ok':
      return rows === null || empty === null ? sorry('No rows.') : { text: empty, good: true };
    case 'degraded':
      return sorry(
        rows === null
          ? 'This cannot be seen with the present rights.'
          : 'None among those that can be seen; others may be hidden.',
      );
    case 'stale':
      return sorry(
        rows === null
          ? 'There are no figures that are new enough.'
          : 'There was none when this was last read; what there is now is not known.',
      );
    case 'pending':
      return sorry('Nothing was collected yet.');
    case 'unsupported':
      return sorry('This version of PostgreSQL has no such figures.');
    case 'error':
      return sorry('There are no figures.');
  }
}
