import { describe, expect, it } from 'vitest';
import { piecesOf, readable, sentence, visible } from './visible';

describe('what would not be seen', () => {
  it.each([
    ['rtl\u202Egnp.exe\u202C', 'rtl\\u{202e}gnp.exe\\u{202c}'],
    ['a\u2066b\u2069', 'a\\u{2066}b\\u{2069}'],
    ['a\u200Bb\u200E\u200F\uFEFF', 'a\\u{200b}b\\u{200e}\\u{200f}\\u{feff}'],
    ['bell\u0007 tab\t nl\n del\u007f c1\u0085', 'bell\\u{7} tab\\t nl\\n del\\u{7f} c1\\u{85}'],
    ['line\u2028paragraph\u2029', 'line\\u{2028}paragraph\\u{2029}'],
    ['soft\u00adhyphen \u061c \u2060', 'soft\\u{ad}hyphen \\u{61c} \\u{2060}'],
    ['tag\u{E0041}', 'tag\\u{e0041}'],
    ['half \ud83d of a pair', 'half \\u{d83d} of a pair'],
    // Between letters of ASCII a joiner only makes two names of one.
    ['or\u200dders', 'or\\u{200d}ders'],
  ])('%j is written out', (text, shown) => expect(visible(text)).toBe(shown));

  it.each(['größe 表', 'שלום 123', '👩‍👩‍👧', 'می‌خواهم', 'a b\\u{202e}', ''])('%j is left as it is', (text) =>
    expect(visible(text)).toBe(text),
  );

  it('SQL keeps its lines', () => {
    expect(visible('select 1,\n\t2\r\nfrom "a\u202e"', true)).toBe('select 1,\n\t2\r\nfrom "a\\u{202e}"');
    // A return on its own would draw the rest over the beginning.
    expect(visible('drop\rselect', true)).toBe('drop\\rselect');
  });

  it('tells an escape from a name that looks like one', () => {
    expect(piecesOf('\\u{202e}\u202e')).toEqual([
      { text: '\\u{202e}', escape: false },
      { text: '\\u{202e}', escape: true },
    ]);
  });

  it('loses nothing', () => {
    const text = 'a\u202eb\u0000c\u200b';
    expect(
      piecesOf(text)
        .filter((piece) => !piece.escape)
        .map((piece) => piece.text)
        .join(''),
    ).toBe('abc');
  });
});

describe('sentences', () => {
  it('hold a name from right to left in its place', () => {
    expect(sentence('public.שלום עולם: 5 dead rows')).toBe('public.\u2068שלום עולם\u2069: 5 dead rows');
    expect(sentence('public.orders: 5')).toBe('public.orders: 5');
  });

  it('of an answer are readable, and its rows are as they were', () => {
    const hostile = 'x\u202ey';
    const rows = [{ name: hostile }];
    const answer = readable({
      reason: hostile,
      data: {
        verdict: { level: 'ok', sentence: hostile },
        problems: [{ id: hostile, title: hostile, evidence: hostile, object: hostile, remedy: { sql: hostile } }],
        figures: [{ id: hostile, label: hostile, note: null }],
        panels: { tables: { title: hostile, note: hostile, reason: null, empty: null, rows } },
      },
    });
    const shown = 'x\\u{202e}y';
    expect(answer).toEqual({
      reason: shown,
      data: {
        verdict: { level: 'ok', sentence: shown },
        // What is copied is what the server understands.
        problems: [{ id: hostile, title: shown, evidence: shown, object: shown, remedy: { sql: hostile } }],
        figures: [{ id: hostile, label: shown, note: null }],
        panels: { tables: { title: shown, note: shown, reason: null, empty: null, rows } },
      },
    });
    expect(readable({ data: null })).toEqual({ data: null });
  });
});
