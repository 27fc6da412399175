/** Rows that name their parent, put into the order and shape of a tree. */

export interface Placed<T> {
  row: T;
  depth: number;
  /** For each level above: whether its line goes on below this row. */
  rails: boolean[];
  last: boolean;
  children: number;
}

interface Linked {
  id: string;
  parent?: string | null | undefined;
}

/** Each row once, parents before children, whatever order, missing parents or circles they come with. */
export function placeTree<T extends Linked>(rows: readonly T[]): Placed<T>[] {
  const ids = new Set(rows.map((row) => row.id));
  const below = new Map<string, T[]>();
  const roots: T[] = [];
  for (const row of rows) {
    if (row.parent === null || row.parent === undefined || row.parent === row.id || !ids.has(row.parent)) {
      roots.push(row);
    } else {
      below.set(row.parent, [...(below.get(row.parent) ?? []), row]);
    }
  }
  const placed: Placed<T>[] = [];
  const seen = new Set<T>();
  const visit = (row: T, depth: number, rails: boolean[], last: boolean) => {
    if (seen.has(row)) return;
    seen.add(row);
    const children = (below.get(row.id) ?? []).filter((child) => !seen.has(child));
    placed.push({ row, depth, rails, last, children: children.length });
    children.forEach((child, i) => {
      visit(child, depth + 1, depth === 0 ? [] : [...rails, !last], i === children.length - 1);
    });
  };
  roots.forEach((root, i) => {
    visit(root, 0, [], i === roots.length - 1);
  });
  // What is left hangs in a circle: it begins at its first row.
  for (const row of rows) visit(row, 0, [], true);
  return placed;
}
