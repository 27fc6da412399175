import { describe, expect, it } from 'vitest';
import { foldSame, reasonsOnce } from './once';

const down = 'the database is down: cannot connect';

describe('reasons of panels', () => {
  it('are not said again if the verdict says them', () => {
    const { above, said } = reasonsOnce([down, null, down], ['The database is down: cannot connect']);
    expect([above, [...said]]).toEqual([[], [down]]);
  });

  it('are said once above if many have the same', () => {
    const { above, said } = reasonsOnce([down, down, down, 'needs pg_monitor', null], ['Two things are bad.']);
    expect(above).toEqual([{ reason: down, count: 3 }]);
    expect([...said]).toEqual([down]);
  });

  it('stay where they are otherwise', () => {
    expect(reasonsOnce([down, down, 'needs pg_monitor', null], [])).toEqual({ above: [], said: new Set() });
  });
});

describe('rows that say the same', () => {
  it('stand together if they are many, each else alone, in the order they came', () => {
    const rows = ['a1', 'b1', 'a2', 'c1', 'b2', 'a3'];
    expect(foldSame(rows, (row) => row.charAt(0))).toEqual([['a1', 'a2', 'a3'], ['b1'], ['c1'], ['b2']]);
    expect(foldSame([], String)).toEqual([]);
  });
});
