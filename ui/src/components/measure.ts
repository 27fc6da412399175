/** How wide texts are in the fonts of the tables, as the browser draws them. */

export type Face = 'cell' | 'strong' | 'head' | 'mono';

export interface Measure {
  /** Pixels of one rem: more on large screens. */
  rem: number;
  width: (text: string, face: Face) => number;
}

const known = new Map<number, Measure>();
/** So many texts are remembered; then it begins anew. */
const MOST = 4000;

export function rootSize(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
}

export function measureFor(rem: number): Measure {
  const before = known.get(rem);
  if (before !== undefined) return before;
  const context = document.createElement('canvas').getContext('2d');
  const family = getComputedStyle(document.body).fontFamily;
  const mono = getComputedStyle(document.documentElement).getPropertyValue('--mono').trim();
  const size = 0.8125 * rem;
  const fonts: Record<Face, string> = {
    cell: `400 ${size}px ${family}`,
    strong: `600 ${size}px ${family}`,
    head: `600 ${0.75 * rem}px ${family}`,
    mono: `400 ${size * 0.92}px ${mono}`,
  };
  const widths: Record<Face, Map<string, number>> = {
    cell: new Map(),
    strong: new Map(),
    head: new Map(),
    mono: new Map(),
  };
  const made: Measure = {
    rem,
    width(text, face) {
      // All digits are as wide as one another (tabular-nums).
      const shape = text.replaceAll(/\d/g, '0');
      const cache = widths[face];
      let found = cache.get(shape);
      if (found === undefined) {
        if (cache.size > MOST) cache.clear();
        if (context !== null) context.font = fonts[face];
        found = Math.ceil(context?.measureText(shape).width ?? shape.length * size * 0.6);
        cache.set(shape, found);
      }
      return found;
    },
  };
  known.set(rem, made);
  return made;
}
