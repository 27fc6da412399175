/**
 * Text of a database, to be read by people: what cannot be seen, or turns the order of letters around, is written as
 * an escape, so that no two names look the same and none looks like another. The API writes escapes in the same way.
 */

export interface Piece {
  text: string;
  /** Whether it stands for a character that would not be seen. */
  escape: boolean;
}

/**
 * Controls, directional marks, embeddings, overrides and isolates, separators of lines, spaces and fillers without
 * width, tags. Joiners belong to some scripts and to emoji: between letters of ASCII they only hide.
 */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]|\u034f|\p{Cs}|(?<![^\u0000-\u007f])[\u200c\u200d](?![^\u0000-\u007f])/gu;

/** Letters that are written from right to left, with what stands between them. */
const LEFTWARD =
  /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\u{10800}-\u{10fff}\u{1e800}-\u{1efff}](?:[\s\S]*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\u{10800}-\u{10fff}\u{1e800}-\u{1efff}])?/gu;

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escapeOf(character: string): string {
  return SHORT[character] ?? `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`;
}

/** The text in pieces; `lines` keeps tabs and ends of lines, as in SQL. */
export function piecesOf(text: string, lines = false): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(UNSEEN)) {
    const character = match[0];
    if (lines && (character === '\n' || character === '\t' || (character === '\r' && text[match.index + 1] === '\n')))
      continue;
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), escape: false });
    pieces.push({ text: escapeOf(character), escape: true });
    at = match.index + character.length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), escape: false });
  return pieces;
}

/** The same as one text, for titles, names of controls, and wherever there can be no element. */
export function visible(text: string, lines = false): string {
  return piecesOf(text, lines)
    .map((piece) => piece.text)
    .join('');
}

/** A sentence with names in it: a name of letters from right to left leaves the words and figures around it in place. */
export function sentence(text: string): string {
  return visible(text, true).replace(LEFTWARD, (run) => `\u2068${run}\u2069`);
}

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withSentences<T>(value: T, names: readonly string[]): T {
  if (!isFields(value)) return value;
  const changed: Fields = {};
  for (const name of names) {
    const text = value[name];
    if (typeof text === 'string') changed[name] = sentence(text);
  }
  return { ...value, ...changed };
}

function listOf(value: unknown, names: readonly string[]): unknown {
  return Array.isArray(value) ? value.map((each) => withSentences(each, names)) : value;
}

const PANEL = ['title', 'reason', 'note', 'empty'];

/** An answer of the API with all that it says in sentences made safe to read. Its rows stay as they are. */
export function readable<T extends { data: unknown }>(answer: T): T {
  const { data } = answer;
  if (!isFields(data)) return answer;
  const panels = isFields(data.panels)
    ? Object.fromEntries(Object.entries(data.panels).map(([name, panel]) => [name, withSentences(panel, PANEL)]))
    : data.panels;
  return {
    ...withSentences(answer, ['reason']),
    data: {
      ...withSentences(data, ['reason', 'title']),
      ...('verdict' in data ? { verdict: withSentences(data.verdict, ['sentence']) } : {}),
      ...('figures' in data ? { figures: listOf(data.figures, ['label', 'note']) } : {}),
      ...('problems' in data ? { problems: listOf(data.problems, ['title', 'evidence', 'object']) } : {}),
      ...('targets' in data ? { targets: listOf(data.targets, ['sentence', 'reason']) } : {}),
      ...('panels' in data ? { panels } : {}),
    },
  };
}
