/** How bad each page of the navigation is. */

import type { Level, Row } from '../api/types';
import { isLevel, LEVEL_ORDER } from '../components/Level';
import { pageOf } from '../components/nav';

/** From the verdicts of the API's pages; of several that one page shows, the worst. */
export function levelsOf(
  verdicts: readonly Row[],
  others: readonly (readonly [string, Level | undefined])[],
): Record<string, Level> {
  const levels: Record<string, Level> = {};
  const note = (to: string | undefined, level: unknown) => {
    if (to === undefined || !isLevel(level)) return;
    const before = levels[to];
    if (before === undefined || LEVEL_ORDER[level] > LEVEL_ORDER[before]) levels[to] = level;
  };
  for (const { page, level } of verdicts) note(pageOf(String(page))?.to, level);
  for (const [page, level] of others) note(pageOf(page)?.to, level);
  return levels;
}
