import { describe, expect, it } from 'vitest';
import { columnsOf, qualified, rowIds } from './columns';
import { toCsv } from './export';
import { highlight } from './highlight';
import { everyOf, forTarget, kept, parseSearch, parseSort, rangeOf, stringifySearch, writeSort } from './search';
import { placeTree } from './tree';

describe('the address', () => {
  it('keeps a queryid beyond 2^53 as it is', () => {
    const search = parseSearch('?db=orders&open=statements:-9223372036854775807');
    expect(search.open).toBe('statements:-9223372036854775807');
    expect(parseSearch(stringifySearch(search))).toEqual(search);
  });

  it('survives names with anything in them', () => {
    const search = { db: 'a&b=c?#ü "\'<>', 'q.tables': '100%+1' };
    expect(parseSearch(stringifySearch(search))).toEqual(search);
  });

  it('takes only what belongs to all pages along, and forgets the database inside of another', () => {
    const search = { cluster: 'c', db: 'd', datname: 'x', t: '6h', 'q.tables': 'a', open: 'b' };
    expect(kept(search)).toEqual({ cluster: 'c', db: 'd', datname: 'x', t: '6h' });
    expect(forTarget(search, 'c2', 'd2')).toEqual({ cluster: 'c2', db: 'd2', t: '6h' });
  });

  it('has defaults for what nobody said or knows', () => {
    expect(rangeOf({}).id).toBe('1h');
    expect(rangeOf({ t: '24h' }).seconds).toBe(86_400);
    expect(rangeOf({ t: 'for ever' }).id).toBe('1h');
    expect([everyOf({}), everyOf({ every: 'off' }), everyOf({ every: '5' }), everyOf({ every: '0.001' })]).toEqual([
      15, 0, 5, 15,
    ]);
  });

  it('writes sorting as it reads it', () => {
    for (const text of ['-total_bytes', 'name']) expect(writeSort(parseSort(text))).toBe(text);
    expect(parseSort('-')).toBeUndefined();
  });
});

describe('a tree', () => {
  const shape = (rows: { id: string; parent?: string | null }[]) =>
    placeTree(rows).map(({ row, depth }) => `${'.'.repeat(depth)}${row.id}`);

  it('has parents before their children, whatever the order', () => {
    expect(
      shape([
        { id: 'c', parent: 'b' },
        { id: 'b', parent: 'a' },
        { id: 'd', parent: 'a' },
        { id: 'a', parent: null },
      ]),
    ).toEqual(['a', '.b', '..c', '.d']);
  });

  it('shows who waits for somebody that is not there', () => {
    expect(shape([{ id: 'x', parent: 'gone' }])).toEqual(['x']);
  });

  it('ends in a circle, and shows each once', () => {
    expect(
      shape([
        { id: 'a', parent: 'b' },
        { id: 'b', parent: 'a' },
        { id: 'c', parent: 'c' },
      ]),
    ).toEqual(['c', 'a', '.b']);
  });

  it('draws the line of a level until its last child', () => {
    const placed = placeTree([
      { id: 'a' },
      { id: 'b', parent: 'a' },
      { id: 'c', parent: 'b' },
      { id: 'd', parent: 'a' },
      { id: 'e', parent: 'd' },
    ]);
    expect(placed.map(({ row, rails, last }) => [row.id, rails, last])).toEqual([
      ['a', [], true],
      ['b', [], false],
      ['c', [true], true],
      ['d', [], true],
      ['e', [false], true],
    ]);
  });
});

describe('highlighting', () => {
  const types = (sql: string) =>
    highlight(sql)
      .filter((token) => token.type !== 'plain')
      .map((token) => `${token.type} ${token.text}`);

  it('loses nothing', () => {
    for (const sql of [
      "SELECT 'it''s', $1, \"from\" -- c\nFROM t /* a */ WHERE x = 1.5e3",
      "'open",
      '/* open',
      '$a$ b',
      '',
      '<b>&',
    ]) {
      expect(
        highlight(sql)
          .map((token) => token.text)
          .join(''),
      ).toBe(sql);
    }
  });

  it('knows what is code and what is not', () => {
    expect(types('select count(*) from "select" where a = \'from\' and b = $2 -- limit 1')).toEqual([
      'keyword select',
      'function count',
      'keyword from',
      'keyword where',
      "string 'from'",
      'keyword and',
      'parameter $2',
      'comment -- limit 1',
    ]);
    expect(types('$fn$ select 1 $fn$')).toEqual(['string $fn$ select 1 $fn$']);
  });
});

describe('files', () => {
  it('quotes, and runs nothing in a spreadsheet', () => {
    expect(
      toCsv(
        [
          { a: 'x,"y"\n', b: null },
          { a: '=1+1', b: -5 },
          { a: '-12', b: ['p', 1] },
        ],
        ['a', 'b'],
      ),
    ).toBe('a,b\r\n"x,""y""\n",\r\n\'=1+1,-5\r\n-12,"[""p"",1]"\r\n');
  });
});

describe('columns', () => {
  it('shows what a page asks for and offers the rest', () => {
    const { shown, more } = columnsOf([{ a: 1, b_bytes: 2, c: 'x' }], ['c', { key: 'a', label: 'A!' }, 'gone']);
    expect(shown.map((column) => column.label)).toEqual(['C', 'A!']);
    expect(more.map((column) => [column.key, column.kind])).toEqual([['b_bytes', 'bytes']]);
  });

  it('shows rows that nobody described, the level first', () => {
    const { shown } = columnsOf([{ oid: 1, name: 'x', level: 'ok', remedy: null }], []);
    expect(shown.map((column) => column.key)).toEqual(['level', 'name']);
  });

  it('names each row once', () => {
    expect(rowIds([{ pid: 1 }, { pid: 2 }, { pid: 1 }, {}])).toEqual(['1', '2', '1#2', 'row']);
    expect(rowIds([{ queryid: '9007199254740993' }, { queryid: '9007199254740992' }])).toEqual([
      '9007199254740993',
      '9007199254740992',
    ]);
  });

  it('puts the schema before the name', () => {
    expect(qualified({ schema_name: 's', table_name: 't' })).toBe('s.t');
    expect(qualified({ kind: 'index', schema_name: 's', name: 'i', table_name: 't' })).toBe('s.i');
    expect(qualified({})).toBeUndefined();
  });

  it('takes the name, not the label that metrics have', () => {
    expect(qualified({ schema: 's', name: 'a b', relation: 's.a_b' })).toBe('s.a b');
    expect(qualified({ schema: 's', name: 'a b_pkey', index: 's.a_b_pkey', table_name: 'a b' })).toBe('s.a b_pkey');
    expect(qualified({ schema: 's', relation: 't' })).toBe('s.t');
    expect(qualified({ relation: 'public.t' })).toBe('public.t');
  });

  it('has no two columns of one label', () => {
    const rows = [{ lag_seconds: 1, lag_bytes: 2, query: 'select', query_seconds: 3, a_b: 1, 'a b': 2 }];
    const labels = columnsOf(rows, []).shown.map((column) => column.label);
    expect(labels).toEqual(['Lag (time)', 'Lag (bytes)', 'Query', 'Query (time)', 'A b (a_b)', 'A b (a b)']);
    // What a page says stays.
    const given = columnsOf(rows, [{ key: 'lag_seconds', label: 'Lag' }]);
    expect([...given.shown, ...given.more].slice(0, 2).map((column) => column.label)).toEqual(['Lag', 'Lag (bytes)']);
  });

  it('offers what a page describes and does not show', () => {
    const { shown, more } = columnsOf([{ a: 1, sent_bytes: 2 }], ['a', { key: 'sent_bytes', kind: 'lsn', more: true }]);
    expect([shown.map((column) => column.key), more.map((column) => column.kind)]).toEqual([['a'], ['lsn']]);
  });
});
