import { useClipboard } from '@mantine/hooks';
import { IconCheck, IconChevronRight, IconCopy } from '@tabler/icons-react';
import { memo } from 'react';
import type { Remedy } from '../api/types';
import { highlight } from '../lib/highlight';
import { Shown } from './Shown';

export function CopyButton({ text, label }: { text: string; label: string }) {
  const clipboard = useClipboard({ timeout: 1500 });
  return (
    <button
      type="button"
      className="control small"
      aria-label={clipboard.copied ? `Copied. ${label}` : label}
      onClick={() => clipboard.copy(text)}
    >
      {clipboard.copied ? <IconCheck size={15} aria-hidden /> : <IconCopy size={15} aria-hidden />}
      <span aria-live="polite">{clipboard.copied ? 'Copied' : 'Copy'}</span>
    </button>
  );
}

export const SqlText = memo(function SqlText({ sql }: { sql: string }) {
  let at = 0;
  return (
    <code>
      {highlight(sql).map((token) => {
        const key = at;
        at += token.text.length;
        return token.type === 'plain' ? (
          <Shown key={key} text={token.text} lines />
        ) : (
          <span key={key} className={`tok-${token.type}`}>
            <Shown text={token.text} lines />
          </span>
        );
      })}
    </code>
  );
});

/** SQL to read and copy. pgmon never runs what it shows here. */
export function Sql({ sql, label = 'Copy the SQL' }: { sql: string; label?: string }) {
  return (
    <div className="sql">
      {/* Scrollable text must be reachable by keyboard. */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <pre tabIndex={0}>
        <SqlText sql={sql} />
      </pre>
      <div className="copy">
        <CopyButton text={sql} label={label} />
      </div>
    </div>
  );
}

export function RemedyView({ remedy }: { remedy: Remedy }) {
  return (
    <div>
      <Sql sql={remedy.sql} label="Copy the remedy" />
      <dl className="remedy-facts">
        <div>
          <dt>Lock</dt>
          <dd>{remedy.lock}</dd>
        </div>
        <div>
          <dt>Risk</dt>
          <dd>{remedy.risk}</dd>
        </div>
      </dl>
    </div>
  );
}

export function RemedyDetails({ remedy }: { remedy: Remedy }) {
  return (
    <details className="remedy">
      <summary>
        <IconChevronRight size={14} aria-hidden />
        Show the SQL that would mend it
      </summary>
      <RemedyView remedy={remedy} />
    </details>
  );
}
