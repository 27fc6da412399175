import { describe, expect, it } from 'vitest';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatRatio,
  formatTime,
  formatValue,
  kindOf,
  labelOf,
} from './format';

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    // Never 1024 of a unit.
    [1024 * 1024 - 1, '1 MiB'],
    [123_456_789, '118 MiB'],
    [-2048, '-2 KiB'],
    [2 ** 53, '8 PiB'],
    [2 ** 63, '8 EiB'],
  ])('%d is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe('durations', () => {
  it.each([
    [0, '0 s'],
    [0.0000123, '12.3 µs'],
    [0.0042, '4.2 ms'],
    [0.9996, '1 s'],
    [9.54, '9.5 s'],
    [59.96, '1m'],
    [200, '3m 20s'],
    [3599.6, '1h'],
    [7500, '2h 5m'],
    [86_399, '1d'],
    [273_600, '3d 4h'],
    [2.5 * 365.25 * 86_400, '2.5 y'],
    [-90, '-1m 30s'],
  ])('%d s is %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it('ages are whole and never negative', () => {
    expect(formatAge(9.9)).toBe('9 s');
    expect(formatAge(-0.4)).toBe('0 s');
    expect(formatAge(61.7)).toBe('1m 1s');
  });
});

describe('numbers', () => {
  it.each([
    [0, '0'],
    [0.123_45, '0.12'],
    [12.345, '12.3'],
    [1234.5, '1,235'],
    [99_999, '99,999'],
    [99_999.7, '100 k'],
    [1_234_567, '1.23 M'],
    [999_600, '1 M'],
    [4.2e12, '4.2 T'],
    [2 ** 63, '9.22e+18'],
  ])('%d is %s', (value, text) => expect(formatCount(value)).toBe(text));

  it.each([
    [0, '0 %'],
    [0.5, '50 %'],
    [0.9987, '99.87 %'],
    [0.999_96, '>99.99 %'],
    [1, '100 %'],
    [0.000_01, '<0.01 %'],
    [1.254, '125 %'],
  ])('%d as a share is %s', (value, text) => expect(formatRatio(value)).toBe(text));

  it('what names something has no separators', () => {
    expect(formatValue(26_877, 'id')).toBe('26877');
    expect(formatValue(4_294_967_295, 'id')).toBe('4294967295');
  });

  it.each([
    [0, '0/0'],
    [0x14d89f0, '0/14D89F0'],
    [0x16 * 2 ** 32 + 0xb374d848, '16/B374D848'],
  ])('%d is the place %s in the WAL', (bytes, text) => expect(formatValue(bytes, 'lsn')).toBe(text));

  it('unknown is not 0', () => {
    for (const nothing of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(formatValue(nothing, 'bytes')).toBe('–');
    }
    expect(formatValue(0, 'bytes')).toBe('0 B');
  });
});

describe('times', () => {
  it('are told in UTC with the zone', () => {
    expect(formatTime('2026-03-29T00:30:00Z', 'utc')).toBe('29/03/2026, 00:30:00 UTC');
  });

  it('follow the reader over a change of the clocks', () => {
    const before = process.env.TZ;
    try {
      process.env.TZ = 'Europe/Berlin';
      expect(formatTime('2026-03-29T00:30:00Z', 'local', false)).toMatch(/^01:30:00 /);
      expect(formatTime('2026-03-29T01:30:00Z', 'local', false)).toMatch(/^03:30:00 /);
    } finally {
      process.env.TZ = before;
    }
  });

  it('what is no time is unknown', () => expect(formatTime('soon', 'utc')).toBe('–'));
});

describe('columns by their names', () => {
  it.each([
    ['total_bytes', 1, 'bytes'],
    ['bytes_per_second', 1, 'bytes_per_second'],
    ['calls_per_second', 1, 'per_second'],
    ['last_vacuum_seconds_ago', 1, 'seconds'],
    ['mean_ms', 1, 'milliseconds'],
    ['hit_ratio', 0.5, 'ratio'],
    ['stats_reset', '2026-01-01T00:00:00Z', 'time'],
    ['queryid', '9223372036854775807', 'queryid'],
    ['is_valid', true, 'bool'],
    ['kept_for', ['unique'], 'list'],
    ['pid', 4711, 'id'],
    ['leader_pid', 4711, 'id'],
    ['sender_port', 5801, 'id'],
    ['relation_oid', 16_384, 'id'],
    ['backend_xid', 750, 'id'],
    ['next_xid', 123_456, 'id'],
    ['timeline', 1, 'id'],
    ['system_identifier', 7, 'id'],
    ['gid', 'two phase', 'text'],
    // These count.
    ['xid_age', 5000, 'count'],
    ['oldest_xmin_age', 5000, 'count'],
    ['rapid', 5000, 'count'],
    ['xids_per_second', 5000, 'per_second'],
    ['name', 'x', 'text'],
    // A text is never taken for a figure, whatever its name.
    ['weird_bytes', 'x', 'text'],
    ['seconds_until_protection', 53_100_000, 'seconds'],
  ])('%s', (name, sample, kind) => expect(kindOf(name, sample)).toBe(kind));

  it('labels leave out the unit and keep the abbreviations', () => {
    expect(labelOf('last_vacuum_seconds_ago')).toBe('Last vacuum');
    expect(labelOf('xid_age')).toBe('XID age');
    expect(labelOf('blk_read_seconds')).toBe('Time reading blocks');
    expect(labelOf('calls_per_second')).toBe('Calls/s');
    expect(labelOf('growth_bytes_per_day')).toBe('Growth/day');
    // A time is not called what a count is.
    expect(labelOf('shared_blks_read')).toBe('Shared blocks read');
    expect(labelOf('blk_read_seconds')).toBe('Time reading blocks');
    expect(labelOf('blk_write_time_seconds')).toBe('Time writing blocks');
  });
});
