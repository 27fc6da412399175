/** Which columns of a table have room, and how wide each is. All in pixels. */

export interface Need {
  key: string;
  /** Less than that would cut a figure, or leave too little of a text. */
  least: number;
  /** What a text should have before another column may go; figures need all that they need. */
  want: number;
  /** What the longest text takes. */
  full: number;
  /** The higher, the sooner it goes. */
  rank: number;
  /** Whether it holds texts, which may be of any length. */
  text: boolean;
}

export interface Fitted {
  keys: string[];
  widths: number[];
  /** Which of them takes the last pixels. */
  grow: number;
  /** Those that have no room. */
  left: string[];
}

function sum(values: readonly number[]): number {
  return values.reduce((all, each) => all + each, 0);
}

/** Widens towards the targets as far as the room goes, the one that lacks most the most. */
function widen(widths: readonly number[], targets: readonly number[], room: number): number[] {
  const lacks = widths.map((width, i) => Math.max(0, (targets[i] ?? 0) - width));
  const all = sum(lacks);
  const part = all === 0 ? 0 : Math.min(1, Math.max(0, room - sum(widths)) / all);
  return widths.map((width, i) => width + Math.floor((lacks[i] ?? 0) * part));
}

/** The longest text, or else the first. */
function longest(needs: readonly Need[]): number {
  return needs.reduce((best, need, i) => {
    const most = needs[best];
    return need.text && (most?.text !== true || need.full > most.full) ? i : best;
  }, 0);
}

/**
 * The first column always stays, and what is in `kept` (that which the rows are sorted by). Of the others, those of
 * the highest rank go first, of one rank the last.
 */
function choose(needs: readonly Need[], room: number, kept: ReadonlySet<string>): Need[] {
  let chosen = [...needs];
  while (chosen.length > 1 && sum(chosen.map((need) => need.least)) > room) {
    const going = chosen
      .slice(1)
      .filter((need) => !kept.has(need.key))
      .reduce<Need | undefined>(
        (worst, need) => (worst === undefined || need.rank >= worst.rank ? need : worst),
        undefined,
      );
    if (going === undefined) break;
    chosen = chosen.filter((need) => need !== going);
  }
  // One that went because of a wider one may have room after all.
  for (const need of needs) {
    if (chosen.includes(need) || sum(chosen.map((each) => each.least)) + need.least > room) continue;
    chosen = needs.filter((each) => each === need || chosen.includes(each));
  }
  return chosen;
}

/** `all`: somebody has chosen these columns; then they stay, and the table scrolls. */
export function fitColumns(needs: readonly Need[], room: number, kept: ReadonlySet<string>, all = false): Fitted {
  const chosen = all ? [...needs] : choose(needs, room, kept);
  const least = chosen.map((need) => need.least);
  let widths = widen(
    least,
    chosen.map((need) => need.want),
    room,
  );
  widths = widen(
    widths,
    chosen.map((need) => need.full),
    room,
  );
  let grow = longest(chosen);
  if (sum(widths) > room) {
    // It scrolls. The last column that is seen whole ends where the window does: no figure is cut in two.
    let whole = 0;
    let seen = 0;
    while (whole < widths.length && seen + (widths[whole] ?? 0) <= room) {
      seen += widths[whole] ?? 0;
      whole += 1;
    }
    if (whole > 0) {
      const place = longest(chosen.slice(0, whole));
      widths = widths.map((width, i) => (i === place ? width + room - seen : width));
    }
    grow = -1;
  } else if (sum(widths) > 0) {
    // To all alike: one wide gap would part figures from their names.
    const part = room / sum(widths);
    widths = widths.map((width) => Math.floor(width * part));
  }
  const keys = chosen.map((need) => need.key);
  return { keys, widths, grow, left: needs.map((need) => need.key).filter((key) => !keys.includes(key)) };
}
