import { describe, expect, it } from 'vitest';
import { asText, settingText } from './text';

describe('a value as text', () => {
  it.each([
    [null, 'count', '–'],
    ['', 'text', '–'],
    [true, 'bool', 'yes'],
    [0, 'count', '0'],
    [1_048_576, 'bytes', '1 MiB'],
    [26_877, 'id', '26877'],
    [['a', 'b'], 'list', 'a, b'],
    [[], 'list', 'none'],
  ] as const)('%j of %s', (value, kind, text) => expect(asText(value, kind)).toBe(text));

  it('an object is told in words, not as JSON', () => {
    expect(asText({ pid: 26_978, gid: null, state: 'active', transaction_seconds: 90 }, 'text')).toBe(
      'PID 26978, State active, Transaction 1m 30s',
    );
    expect(asText([{ pid: 26_978 }, { pid: 26_979 }], 'list')).toBe('PID 26978; PID 26979');
    expect(asText({ a: null }, 'text')).toBe('–');
    expect(asText({ inner: { size_bytes: 2048 } }, 'text')).toBe('Inner Size 2 KiB');
  });

  it('process ids in a list are ids', () => {
    expect(asText([26_877, 26_878], 'list', 'pids')).toBe('26877, 26878');
    expect(asText([26_877], 'list', 'blocked_by')).toBe('26877');
    expect(asText([26_877], 'list', 'rows')).toBe('26,877');
  });
});

describe('a setting', () => {
  it.each([
    ['16384', '8kB', '128 MiB'],
    ['4096', 'kB', '4 MiB'],
    ['64', 'MB', '64 MiB'],
    ['200', 'ms', '200 ms'],
    ['0.5', 'ms', '500 µs'],
    ['300', 's', '5m'],
    ['5', 'min', '5m'],
    // No size, but a word of its own to the server.
    ['-1', 'kB', '-1'],
    ['0', 'ms', '0'],
    ['on', null, 'on'],
    ['200000000', null, '200000000'],
    ['7', 'parsecs', '7 parsecs'],
    ['', null, '(empty)'],
    [null, '8kB', undefined],
  ])('%s of %s', (setting, unit, text) => expect(settingText(setting, unit)).toBe(text));
});
