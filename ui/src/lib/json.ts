/** JSON as it was read, to look at: its pieces always join to the text again. */

export interface JsonToken {
  type: 'key' | 'string' | 'number' | 'word' | 'plain';
  text: string;
}

const PATTERN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)|\b(true|false|null)\b/g;

export function jsonTokens(text: string): JsonToken[] {
  const tokens: JsonToken[] = [];
  const push = (type: JsonToken['type'], piece: string) => {
    const last = tokens.at(-1);
    if (type === 'plain' && last?.type === 'plain') last.text += piece;
    else if (piece !== '') tokens.push({ type, text: piece });
  };
  let at = 0;
  for (const match of text.matchAll(PATTERN)) {
    push('plain', text.slice(at, match.index));
    at = match.index + match[0].length;
    const [all, quoted, colon, number] = match;
    if (quoted !== undefined) {
      push(colon === undefined ? 'string' : 'key', quoted);
      push('plain', colon ?? '');
    } else push(number === undefined ? 'word' : 'number', all);
  }
  push('plain', text.slice(at));
  return tokens;
}

/**
 * With line ends and indents between its parts. Only these change: a parser would round long numbers and drop a key
 * that is there twice. What is no whole JSON stays as it is.
 */
export function indented(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let depth = 0;
  let out = '';
  const line = () => `\n${'  '.repeat(depth)}`;
  const bare = text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, (_, quoted: string | undefined) => quoted ?? '');
  for (const [part] of bare.matchAll(/"(?:[^"\\]|\\.)*"|\{\}|\[\]|[{}[\],:]|[^{}[\],:"]+/g)) {
    if (part === '{' || part === '[') {
      depth += 1;
      out += part + line();
    } else if (part === '}' || part === ']') {
      depth -= 1;
      out += line() + part;
    } else if (part === ',') out += part + line();
    else out += part === ':' ? ': ' : part;
  }
  return out;
}
