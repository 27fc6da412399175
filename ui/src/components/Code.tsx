import { memo, type ReactNode } from 'react';
import { indented, jsonTokens } from '../lib/json';
import { Shown } from './Shown';
import { CopyButton } from './Sql';

/** A text to read and copy. */
export function Code({ text, label, children }: { text: string; label: string; children?: ReactNode }) {
  return (
    <div className="sql">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <pre tabIndex={0}>{children ?? <code>{text}</code>}</pre>
      <div className="copy">
        <CopyButton text={text} label={label} />
      </div>
    </div>
  );
}

const TOKENS = { key: 'tok-keyword', string: 'tok-string', number: 'tok-number', word: 'tok-parameter' };

const JsonText = memo(function JsonText({ text }: { text: string }) {
  let at = 0;
  return (
    <code>
      {jsonTokens(indented(text)).map((token) => {
        const key = at;
        at += token.text.length;
        const shown = <Shown key={key} text={token.text} lines />;
        return token.type === 'plain' ? (
          shown
        ) : (
          <span key={key} className={TOKENS[token.type]}>
            {shown}
          </span>
        );
      })}
    </code>
  );
});

/** JSON as it was read: drawn with indents, copied as it came. */
export function Json({ text, label }: { text: string; label: string }) {
  return (
    <Code text={text} label={label}>
      <JsonText text={text} />
    </Code>
  );
}
