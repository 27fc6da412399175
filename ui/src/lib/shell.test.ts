import { describe, expect, it } from 'vitest';
import { keyOf } from '../api/early';
import type { Problem, TargetRef } from '../api/types';
import { NAV_ITEMS } from '../components/nav';
import { indexChoice, rank, statementChoice, tableChoice, wordsOf } from './finder';
import { FIRST } from './first';
import { GO, KEYS } from './keys';
import { levelsOf } from './levels';
import { placeElsewhere, placeOf } from './places';
import { restartSeen, serverFacts } from './server';
import { counted } from './words';

const NOW = Date.parse('2026-11-21T20:00:00Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();

function target(more: Partial<TargetRef>): TargetRef {
  return {
    cluster: 'shop',
    db: 'main',
    datname: 'shop',
    datnames: ['shop'],
    up: 'up',
    reason: null,
    since: ago(7200),
    role: 'primary',
    version: '18.4',
    started_at: ago(90_000),
    ...more,
  };
}

describe('the head of a page', () => {
  it('tells the age of the server from the time it is watched', () => {
    expect(serverFacts(target({}), NOW)).toEqual({
      started: 'started 1d 1h ago',
      fresh: false,
      watched: 'watched for 2h',
    });
  });

  it('says that a server has started lately', () => {
    const facts = serverFacts(target({ started_at: ago(370), since: ago(104) }), NOW);
    expect(facts).toEqual({ started: 'started 6m 10s ago', fresh: true, watched: 'watched for 1m 44s' });
  });

  it('calls it a restart if pgmon knew the server before', () => {
    expect(serverFacts(target({ started_at: ago(10) }), NOW).started).toBe('restarted 10 s ago');
    expect(serverFacts(target({ started_at: ago(7000) }), NOW)).toMatchObject({
      started: 'restarted 1h 57m ago',
      fresh: true,
    });
  });

  it('calls it a restart if this browser knew the server before', () => {
    expect(restartSeen(target({ db: 'seen', started_at: ago(900) }))).toBe(false);
    expect(restartSeen(target({ db: 'seen', started_at: null }))).toBe(false);
    expect(restartSeen(target({ db: 'seen', started_at: ago(900) }))).toBe(false);
    expect(restartSeen(target({ db: 'seen', started_at: ago(10) }))).toBe(true);
    const facts = serverFacts(target({ started_at: ago(10), since: ago(4) }), NOW, true);
    expect(facts).toMatchObject({ started: 'restarted 10 s ago', fresh: true });
  });

  it('claims nothing of a server that does not answer, or that has not said it', () => {
    const down = serverFacts(target({ up: 'down', since: ago(30) }), NOW);
    expect(down).toEqual({ started: undefined, fresh: false, watched: 'down for 30 s' });
    expect(serverFacts(target({ started_at: null }), NOW)).toMatchObject({ started: undefined, fresh: false });
  });

  it('has no negative ages where clocks differ', () => {
    expect(serverFacts(target({ started_at: ago(-5), since: ago(-3) }), NOW)).toMatchObject({
      started: 'started 0 s ago',
      watched: 'watched for 0 s',
    });
  });
});

describe('levels of the navigation', () => {
  it('takes the worst of the pages that one shows, and never hides unknown behind ok', () => {
    const levels = levelsOf(
      [
        { page: 'locks', level: 'ok' },
        { page: 'activity', level: 'unknown' },
        { page: 'storage', level: 'warn' },
        { page: 'indexes', level: 'ok' },
        { page: 'top-queries', level: 'unknown' },
        { page: 'settings', level: 'ok' },
        { page: 'of another version', level: 'crit' },
      ],
      [
        ['collectors', 'warn'],
        ['targets', undefined],
      ],
    );
    expect(levels).toEqual({
      '/activity': 'unknown',
      '/storage': 'warn',
      '/queries': 'unknown',
      '/settings': 'ok',
      '/agent': 'warn',
    });
  });
});

describe('keys', () => {
  it('lead to every page, each with its own', () => {
    expect(Object.keys(GO)).toHaveLength(NAV_ITEMS.length);
    expect(new Set(Object.values(GO))).toEqual(new Set(NAV_ITEMS.map(({ to }) => to)));
    const listed = KEYS.flatMap(({ keys }) => keys.map(([key]) => key));
    for (const { key } of NAV_ITEMS) expect(listed).toContain(`g ${key}`);
    expect(new Set(listed).size).toBe(listed.length);
  });
});

describe('what is asked for before the program is here', () => {
  it('is what the pages ask for', () => {
    for (const { to, pages } of NAV_ITEMS) {
      const sources = FIRST[to.slice(1)]?.sources.map((source) => source.replace(/\?.*/, ''));
      expect([to, sources]).toEqual([to, pages]);
    }
  });
});

describe('the finder', () => {
  const named = (label: string, what = 'table') => ({ label, what });

  it('wants all words, and puts first what begins with them', () => {
    const all = [named('public.reorders'), named('public.orders'), named('audit.log', 'index of orders'), named('x')];
    expect(rank(all, wordsOf('orders')).map(({ label }) => label)).toEqual([
      'public.orders',
      'public.reorders',
      'audit.log',
    ]);
    expect(rank(all, wordsOf('  Orders index')).map(({ label }) => label)).toEqual(['audit.log']);
    expect(rank(all, wordsOf(''))).toEqual(all);
  });

  it('asks the server for the longest word', () => {
    expect(wordsOf('a orders  b').longest).toBe('orders');
    expect(wordsOf(' ').longest).toBe('');
  });

  it('leads to the row of a table and of an index, and to the page of a statement', () => {
    expect(tableChoice({ relation: 'public.a/b', schema: 'public', name: 'a/b' })?.place).toEqual({
      to: '/storage',
      search: { 'q.storage-tables': 'public.a/b', open: 'storage-tables:public.a/b/public/a/b' },
      hash: 'storage-tables',
    });
    expect(indexChoice({ index: 'public.i', table_name: 't' })).toMatchObject({
      what: 'index of t',
      place: { hash: 'indexes-indexes' },
    });
    const found = statementChoice({ queryid: '-9223372036854775807', text: 'SELECT\n  1' });
    expect(found).toMatchObject({ label: 'SELECT 1', place: { params: { queryid: '-9223372036854775807' } } });
    expect(statementChoice({ queryid: '1', text: null })?.label).toBe('Statement 1');
    expect(tableChoice({ relation: null })).toBeUndefined();
  });
});

describe('the place of a problem', () => {
  const problem = (more: Partial<Problem>): Problem => ({
    id: 'x',
    level: 'warn',
    title: 'A problem',
    since: null,
    evidence: '',
    object: 'public.orders',
    page: 'storage',
    remedy: null,
    ...more,
  });

  it('is the page of a statement, whatever the problem', () => {
    const object = '-9223372036854775807';
    expect(placeOf(problem({ id: `slower:${object}`, page: 'top-queries', object }))).toEqual({
      to: '/queries/$queryid',
      params: { queryid: object },
      search: {},
    });
  });

  it('is the row of a table', () => {
    expect(placeOf(problem({ id: 'vacuum:public.orders', page: 'autovacuum' }))).toEqual({
      to: '/autovacuum',
      search: { 'q.autovacuum-tables': 'public.orders' },
      hash: 'autovacuum-tables',
    });
  });

  it('finds a bloated index among the indexes, by its name without quotes', () => {
    const found = placeOf(
      problem({ id: 'bloat:x', page: 'bloat', title: 'An index is bloated', object: 'public."Odd ""one"' }),
    );
    expect(found?.search).toEqual({ 'q.bloat-indexes': 'public.Odd "one' });
  });

  it('is the collector, in the database in which it fails', () => {
    const object = 'query:shop_orders';
    const of = (id: string) => placeOf(problem({ id, page: 'collectors', object }))?.search;
    expect(of('failing:query:shop_orders:postgres')).toEqual({ datname: 'postgres' });
    expect(of('failing:query:shop_orders')).toEqual({});
  });

  it('is no more than the page for what it does not know', () => {
    expect(placeOf(problem({ id: 'something new' }))).toBeUndefined();
    expect(placeOf(problem({ id: 'vacuum:x', object: null }))).toBeUndefined();
  });
});

describe('choosing another database', () => {
  it('keeps the page, unless it is about one thing of this one', () => {
    expect(placeElsewhere('/storage')).toBe('/storage');
    expect(placeElsewhere('/queries/123')).toBe('/queries');
    expect(placeElsewhere('/fleet')).toBe('/');
  });
});

describe('numbers', () => {
  it('have their nouns', () => {
    expect([counted(0, 'row'), counted(1, 'row'), counted(2, 'row'), counted(2, 'entry', 'entries')]).toEqual([
      '0 rows',
      '1 row',
      '2 rows',
      '2 entries',
    ]);
    expect(counted(1234, 'row')).toBe('1,234 rows');
  });
});

describe('what was asked for early', () => {
  it('is kept under the key by which the pages ask', () => {
    const base = 'https://host/some/prefix/';
    expect(keyOf(`${base}api/v1/targets`, base)).toEqual(['targets', {}]);
    expect(keyOf(`${base}api/v1/collectors/query%3Aa?cluster=a%26b&db=c`, base)).toEqual([
      'collectors/query%3Aa',
      { cluster: 'a&b', db: 'c' },
    ]);
  });
});
