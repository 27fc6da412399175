import { describe, expect, it } from 'vitest';
import { latestOf, lonely } from './points';

describe('a value between two gaps', () => {
  it('is a point of its own', () => {
    expect(lonely([null, 1, null, 2, 3, null, 4])).toEqual([1, 6]);
    expect(lonely([1])).toEqual([0]);
    expect(lonely([])).toEqual([]);
  });
});

describe('the latest value', () => {
  it('is as old as it is', () => {
    const at = (last_unix_seconds: number | null) => ({ last_unix_seconds });
    expect(latestOf([at(10), at(null), at(25.5)])).toBe(25.5);
    expect(latestOf([at(null)])).toBeUndefined();
  });
});
