/** What would be said many times is said once. */

/** So many of a kind are folded. */
const MANY = 3;

export interface Reason {
  reason: string;
  /** Of how many panels. */
  count: number;
}

export interface Once {
  /** To be said above the panels. */
  above: Reason[];
  /** What panels need not say: it is above, or in the page's verdict. */
  said: ReadonlySet<string>;
}

/** Of the reasons why panels are not whole: which to say once for all of them. */
export function reasonsOnce(reasons: readonly (string | null)[], sentences: readonly string[]): Once {
  const counts = new Map<string, number>();
  for (const reason of reasons) if (reason !== null) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const inVerdict = (reason: string) =>
    sentences.some((sentence) => sentence.toLowerCase().includes(reason.toLowerCase()));
  const above: Reason[] = [];
  const said = new Set<string>();
  for (const [reason, count] of counts) {
    if (inVerdict(reason)) said.add(reason);
    else if (count >= MANY) {
      said.add(reason);
      above.push({ reason, count });
    }
  }
  return { above, said };
}

/** Rows in their order; those that say the same, if they are many, together where the first of them stands. */
export function foldSame<R>(rows: readonly R[], said: (row: R) => string): R[][] {
  const groups = new Map<string, R[]>();
  for (const row of rows) {
    const key = said(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  const seen = new Set<string>();
  return rows.flatMap((row) => {
    const key = said(row);
    const group = groups.get(key) ?? [row];
    if (group.length < MANY) return [[row]];
    if (seen.has(key)) return [];
    seen.add(key);
    return [group];
  });
}
