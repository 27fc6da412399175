/** What a series of a chart says besides its line. */

type Values = readonly (number | null | undefined)[];

function known(value: number | null | undefined): value is number {
  return value !== null && value !== undefined;
}

/** The places of values between two gaps: no line leads to them. */
export function lonePlaces(values: Values): number[] {
  return values.flatMap((value, i) => (known(value) && !known(values[i - 1]) && !known(values[i + 1]) ? [i] : []));
}

export interface Latest {
  /** Where the latest value stands. */
  place: number;
  /** How long before the end that is, seconds, if it is more than two steps: nothing newer is known. */
  behind: number | undefined;
  /**
   * Since when no line has had another value, if that is more than two steps: what is read seldom is drawn on to the
   * end, and may have changed since. Unix time; `start` if it was so all the time.
   */
  same: number | 'start' | undefined;
}

/** Of a chart's lines, all on the same times. */
export function latestOf(lines: readonly Values[], times: readonly number[], end: number, step: number): Latest {
  const place = times.findLastIndex((_, i) => lines.some((line) => known(line[i])));
  const at = times[place];
  if (at === undefined) return { place, behind: undefined, same: undefined };
  let first = place;
  while (first > 0 && lines.every((line) => known(line[first - 1]) && line[first - 1] === line[place])) first -= 1;
  const since = times[first] ?? at;
  const behind = end - at;
  return {
    place,
    behind: behind > 2 * step ? behind : undefined,
    same: at - since > 2 * step ? (first === 0 ? 'start' : since) : undefined,
  };
}
