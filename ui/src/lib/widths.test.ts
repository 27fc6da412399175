import { describe, expect, it } from 'vitest';
import { fitColumns, type Need } from './widths';

const figure = (key: string, width: number, rank = 2): Need => ({
  key,
  least: width,
  want: width,
  full: width,
  rank,
  text: false,
});
const words = (key: string, least: number, want: number, full: number, rank = 2): Need => ({
  key,
  least,
  want,
  full,
  rank,
  text: true,
});
const none = new Set<string>();
const sum = (values: readonly number[]) => values.reduce((all, each) => all + each, 0);

describe('the columns of a table', () => {
  const table = [
    words('name', 150, 350, 500),
    figure('level', 100, 1),
    words('hint', 200, 350, 900, 3),
    figure('size', 80),
    figure('scans', 70),
    figure('age', 90, 4),
  ];

  it('all stand where there is room', () => {
    const { keys, widths, left, grow } = fitColumns(table, 3000, none);
    expect(keys).toEqual(['name', 'level', 'hint', 'size', 'scans', 'age']);
    // What is left over goes to all alike.
    [500, 100, 900, 80, 70, 90].forEach((full, i) => {
      expect(widths[i]).toBeGreaterThan(full);
      expect((widths[i] ?? 0) / full).toBeCloseTo(3000 / 1740, 1);
    });
    expect([left, keys[grow]]).toEqual([[], 'hint']);
  });

  it('texts give way before a column goes', () => {
    const { keys, widths } = fitColumns(table, 700, none);
    expect(keys).toHaveLength(6);
    expect(sum(widths)).toBeLessThanOrEqual(700);
    expect(widths.slice(3)).toEqual([80, 70, 90]);
    expect(widths[2]).toBeLessThan(900);
  });

  it('the highest rank goes first, then the next', () => {
    expect(fitColumns(table, 610, none).left).toEqual(['age']);
    expect(fitColumns(table, 420, none).left).toEqual(['hint', 'age']);
    expect(fitColumns(table, 340, none).left).toEqual(['hint', 'scans', 'age']);
    // What had to go for a wide one comes back if it fits.
    expect(fitColumns(table, 500, none).keys).toEqual(['name', 'level', 'size', 'scans', 'age']);
  });

  it('no figure is ever narrower than it has to be', () => {
    for (let room = 0; room < 1500; room += 7) {
      const { keys, widths } = fitColumns(table, room, none);
      keys.forEach((key, i) => {
        expect(widths[i]).toBeGreaterThanOrEqual(table.find((need) => need.key === key)?.least ?? 0);
      });
      expect(keys[0]).toBe('name');
      if (keys.length > 1) expect(sum(widths)).toBeLessThanOrEqual(room);
    }
  });

  it('what the rows are sorted by stays', () => {
    expect(fitColumns(table, 250, new Set(['age'])).keys).toEqual(['name', 'age']);
  });

  it('somebody’s choice stays whole and scrolls, with no figure half behind the edge', () => {
    for (const room of [200, 333, 480, 555]) {
      const { keys, widths, left } = fitColumns(table, room, none, true);
      expect([keys.length, left]).toEqual([6, []]);
      let edge = 0;
      const edges = widths.map((width) => {
        edge += width;
        return edge;
      });
      expect(edges).toContain(room);
    }
  });

  it('nothing comes of nothing', () => {
    expect(fitColumns([], 100, none).keys).toEqual([]);
    expect(fitColumns([figure('a', 50)], 0, none).keys).toEqual(['a']);
  });
});
