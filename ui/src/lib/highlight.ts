/** Splits SQL into pieces to colour. Its pieces always join to the text again. */

export interface Token {
  type: 'keyword' | 'string' | 'number' | 'comment' | 'function' | 'parameter' | 'plain';
  text: string;
}

const KEYWORDS = new Set(
  `select from where and or not in is null as on join left right inner outer full cross lateral group by order having limit offset
  union all distinct case when then else end with recursive materialized insert into values update set delete returning create alter
  drop table index view grant revoke to cast exists between like ilike similar any some array filter over partition window asc desc
  nulls first last true false begin commit rollback read only write local explain analyze vacuum freeze verbose concurrently reindex
  cluster using if cascade restrict primary key foreign references unique constraint default interval for share nowait skip locked
  fetch next rows row extension schema role user database function language returns immutable stable volatile attach detach of range
  list hash modulus remainder reset show system ordinality collate within replace`.split(/\s+/),
);

const PATTERN =
  /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(\$([A-Za-z_]\w*)?\$[\s\S]*?(?:\$\3\$|$)|'(?:[^']|'')*(?:'|$))|("(?:[^"]|"")*(?:"|$))|(\$\d+)|(\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b)|([A-Za-z_][\w$]*)/g;

export function highlight(sql: string): Token[] {
  const tokens: Token[] = [];
  const plain = (text: string) => {
    if (text === '') return;
    const last = tokens.at(-1);
    if (last?.type === 'plain') last.text += text;
    else tokens.push({ type: 'plain', text });
  };
  let at = 0;
  for (const match of sql.matchAll(PATTERN)) {
    plain(sql.slice(at, match.index));
    at = match.index + match[0].length;
    const text = match[0];
    if (match[1] !== undefined) tokens.push({ type: 'comment', text });
    else if (match[2] !== undefined) tokens.push({ type: 'string', text });
    else if (match[5] !== undefined) tokens.push({ type: 'parameter', text });
    else if (match[6] !== undefined) tokens.push({ type: 'number', text });
    else if (match[7] !== undefined && KEYWORDS.has(text.toLowerCase())) tokens.push({ type: 'keyword', text });
    else if (match[7] !== undefined && sql[at] === '(') tokens.push({ type: 'function', text });
    else plain(text);
  }
  plain(sql.slice(at));
  return tokens;
}
