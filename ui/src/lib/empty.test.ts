import { describe, expect, it } from 'vitest';
import type { State } from '../api/types';
import { noRowsText } from './empty';

const empty = 'Nobody waits for a lock.';

describe('a panel without rows', () => {
  it('is good only if all was seen, and lately', () => {
    expect(noRowsText({ state: 'ok', rows: [], empty })).toEqual({ text: empty, good: true });
    for (const state of ['degraded', 'stale', 'pending', 'unsupported', 'error'] satisfies State[]) {
      for (const rows of [[], null]) {
        const said = noRowsText({ state, rows, empty });
        expect([state, said.good]).toEqual([state, false]);
        expect(said.text).not.toContain(empty);
      }
    }
  });

  it('says that others may be hidden, or that nothing can be seen at all', () => {
    expect(noRowsText({ state: 'degraded', rows: [], empty }).text).toMatch(/others may be hidden/);
    expect(noRowsText({ state: 'degraded', rows: null, empty }).text).toMatch(/cannot be seen/);
    expect(noRowsText({ state: 'stale', rows: [], empty }).text).toMatch(/last read/);
  });

  it('says no more than it knows', () => {
    expect(noRowsText({ state: 'ok', rows: [], empty: null })).toEqual({ text: 'No rows.', good: false });
    expect(noRowsText({ state: 'ok', rows: null, empty })).toEqual({ text: 'No rows.', good: false });
  });
});
