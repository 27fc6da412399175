/** The places of values with gaps on both sides: no line leads to them, so they are drawn as points. */
export function lonely(values: ArrayLike<number | null | undefined>): number[] {
  const known = (i: number) => values[i] !== null && values[i] !== undefined;
  const places: number[] = [];
  for (let i = 0; i < values.length; i += 1) {
    if (known(i) && !known(i - 1) && !known(i + 1)) places.push(i);
  }
  return places;
}

/** When the latest value of several series was read, Unix time in seconds; it may be drawn on long after that. */
export function latestOf(series: readonly { last_unix_seconds: number | null }[]): number | undefined {
  const all = series.map((each) => each.last_unix_seconds).filter((at): at is number => at !== null);
  return all.length === 0 ? undefined : Math.max(...all);
}
