import { describe, expect, it } from 'vitest';
import type { Service } from '../api/types';
import { columnsOf, unique } from './columns';
import { serviceChoice } from './finder';
import { indented, jsonTokens } from './json';
import { certificate, criticalVerdict, isLate, serviceColumns } from './services';
import { listed } from './words';

const NOW = Date.parse('2026-11-21T20:00:00Z');
const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString();
const DAY = 86_400;

function service(name: string, more: Partial<Service> = {}): Service {
  return {
    name,
    type: 'redis',
    target: '127.0.0.1:6379',
    level: 'ok',
    state: 'ok',
    sentence: 'It is as it should be.',
    critical: false,
    version: null,
    since: at(-412),
    checked_at: null,
    age_seconds: 9,
    duration_seconds: null,
    last_success: null,
    interval_seconds: 15,
    timeout_seconds: 5,
    checks: 0,
    failures: 0,
    certificate_ends: null,
    labels: {},
    ...more,
  };
}

describe('services', () => {
  it('names the critical ones that fail, and only those', () => {
    const bad = { critical: true, state: 'failed' } as const;
    expect(criticalVerdict([service('a', { state: 'failed' }), service('b', { critical: true })])).toBeUndefined();
    expect(criticalVerdict([service('a', bad)])?.sentence).toBe('One of them is critical, so /health answers 503: a.');
    const many = ['a', 'b', 'c', 'd', 'e\u202e'].map((name) => service(name, bad));
    expect(criticalVerdict(many)).toEqual({
      level: 'crit',
      sentence: '5 of them are critical, so /health answers 503: a, b, c and 2 more.',
    });
    expect(criticalVerdict([service('e\u202e', bad)])?.sentence).toContain('e\\u{202e}');
  });

  it('tells when a certificate ends, and that it has', () => {
    expect(certificate(at(61 * DAY), NOW)).toEqual({ text: 'in 61d', level: 'ok' });
    expect(certificate(at(13 * DAY), NOW)?.level).toBe('warn');
    expect(certificate(at(-2 * DAY), NOW)).toEqual({ text: 'ended 2d ago', level: 'crit' });
    expect(certificate(null, NOW)).toBeUndefined();
    expect(certificate('never', NOW)).toBeUndefined();
  });

  it('takes a check for late after three intervals and its timeout', () => {
    expect(isLate(service('a', { age_seconds: 49 }))).toBe(false);
    expect(isLate(service('a', { age_seconds: 51 }))).toBe(true);
    expect(isLate(service('a', { age_seconds: null }))).toBe(false);
  });

  it('writes ages as of the answer', () => {
    const rows = [service('a')] as unknown as Record<string, unknown>[];
    const { shown } = columnsOf(rows, serviceColumns(NOW));
    const text = (key: string) => shown.find((column) => column.key === key)?.text?.(rows[0] ?? {});
    expect(text('since')).toBe('6m 52s ago');
    expect(text('last_success')).toBeUndefined();
    expect(text('level')).toBe('OK');
  });

  it('are found, and lead to their row', () => {
    expect(serviceChoice(service('a b')).place).toEqual({
      to: '/services',
      search: { 'q.services': 'a b', open: 'services:a b' },
      hash: 'services',
    });
  });
});

describe('lists of names', () => {
  it('count what has no room', () => {
    expect(listed(['a', 'b'], 3)).toBe('a, b');
    expect(listed(['a', 'b', 'c', 'd'], 3)).toBe('a, b, c, d');
    expect(listed(['a', 'b', 'c', 'd', 'e'], 3)).toBe('a, b, c and 2 more');
    expect(unique(['a', 'b', 'a'])).toEqual(['a', 'b', 'a#2']);
  });
});

describe('JSON as it was read', () => {
  const text = '{"a":[1,-2.5e3,true,null,{}],"b":"x: {\\"y\\"} , ","b":9007199254740993}';

  it('is indented, with every character of it kept', () => {
    expect(indented(text)).toBe(
      '{\n  "a": [\n    1,\n    -2.5e3,\n    true,\n    null,\n    {}\n  ],\n  "b": "x: {\\"y\\"} , ",\n  "b": 9007199254740993\n}',
    );
    expect(JSON.parse(indented(text))).toEqual(JSON.parse(text));
    expect(indented('{"cut": [1, 2')).toBe('{"cut": [1, 2');
    expect(indented(' { } ')).toBe('{}');
  });

  it('is coloured in pieces that join to it again', () => {
    for (const each of [text, '{"cut": "wi', 'no JSON at all -12 true', '"\\', '']) {
      expect(
        jsonTokens(each)
          .map((token) => token.text)
          .join(''),
      ).toBe(each);
    }
    expect(jsonTokens('{"a": "b", "c": -1.5, "d": null}').map(({ type }) => type)).toEqual(
      'plain key plain string plain key plain number plain key plain word plain'.split(' '),
    );
  });
});
