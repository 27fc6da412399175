import { describe, expect, it } from 'vitest';
import { latestOf, lonePlaces } from './series';

const times = [10, 20, 30, 40, 50, 60];

describe('a chart', () => {
  it('has a point where no line leads', () => {
    expect(lonePlaces([null, 1, null, 2, 3, null, 4])).toEqual([1, 6]);
    expect(lonePlaces([5, null, null])).toEqual([0]);
    expect(lonePlaces([0])).toEqual([0]);
    expect(lonePlaces([1, 2, 3])).toEqual([]);
    expect(lonePlaces([])).toEqual([]);
  });

  it('says how old its latest value is, if it is not of now', () => {
    expect(latestOf([[1, 2, 3, 4, 5, 6]], times, 61, 10)).toEqual({ place: 5, behind: undefined, same: undefined });
    expect(latestOf([[1, 2, 3, 4, null, null]], times, 60, 10)).toMatchObject({ place: 3, behind: undefined });
    expect(latestOf([[1, 2, 3, null, null, null]], times, 60, 10)).toMatchObject({ place: 2, behind: 30 });
    // Of several lines that which ends last.
    const two = [
      [1, 2, null, null, null, null],
      [1, 2, 3, 4, 5, null],
    ];
    expect(latestOf(two, times, 60, 10)).toMatchObject({ place: 4, behind: undefined });
  });

  it('says since when a value that is drawn on has been the same', () => {
    expect(latestOf([[1, 2, 135, 135, 135, 135]], times, 60, 10).same).toBe(30);
    expect(latestOf([[1, 2, 3, 135, 135, 135]], times, 60, 10).same).toBeUndefined();
    expect(latestOf([[7, 7, 7, 7, 7, 7]], times, 60, 10).same).toBe('start');
    // A gap ends it: nobody knows what was in it.
    expect(latestOf([[7, null, 7, 7, 7, 7]], times, 60, 10).same).toBe(30);
    const moving = [
      [7, 7, 7, 7, 7, 7],
      [1, 1, 1, 1, 1, 2],
    ];
    expect(latestOf(moving, times, 60, 10).same).toBeUndefined();
  });

  it('says nothing of nothing', () => {
    expect(latestOf([[null, null]], [10, 20], 20, 10)).toEqual({ place: -1, behind: undefined, same: undefined });
    expect(latestOf([], [], 20, 10)).toEqual({ place: -1, behind: undefined, same: undefined });
  });
});
