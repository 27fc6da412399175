import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useAddress, useZone } from '../lib/address';
import { formatTime, type Kind, UNKNOWN } from '../lib/format';
import { kept } from '../lib/search';
import { asText } from '../lib/text';
import { isLevel, LevelTag } from './Level';
import { Shown } from './Shown';

export function Unknown() {
  return (
    <span className="muted">
      <span aria-hidden>{UNKNOWN}</span>
      <span className="visually-hidden">unknown</span>
    </span>
  );
}

export function Time({ at, withDate = true }: { at: string | number; withDate?: boolean }) {
  const zone = useZone();
  const other = zone === 'utc' ? 'local' : 'utc';
  return (
    <time
      className="nowrap"
      dateTime={typeof at === 'number' ? new Date(at).toISOString() : at}
      title={formatTime(at, other)}
    >
      {formatTime(at, zone, withDate)}
    </time>
  );
}

/** Leads to the page of a statement; says its id, or what it is given. */
export function QueryLink({ id, children = id }: { id: string; children?: ReactNode }) {
  const [search] = useAddress();
  return (
    <Link to="/queries/$queryid" params={{ queryid: id }} search={kept(search)} className="mono">
      {children}
    </Link>
  );
}

export function Bar({ share, tone = 'var(--s1)' }: { share: number; tone?: string }) {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return (
    <span className="bar" aria-hidden>
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" role="presentation">
        <rect width={width} height="10" fill={tone} />
      </svg>
    </span>
  );
}

const NUMERIC: ReadonlySet<Kind> = new Set([
  'count',
  'bytes',
  'bytes_per_second',
  'seconds',
  'milliseconds',
  'ratio',
  'percent',
  'per_second',
  'id',
  'lsn',
]);

export function isNumeric(kind: Kind): boolean {
  return NUMERIC.has(kind);
}

/** A value of a row. Text is text: whatever a name holds, React writes it as such. In a cell it has one line. */
export function Value({
  value,
  kind,
  name = '',
  inCell = false,
}: {
  value: unknown;
  kind: Kind;
  name?: string;
  inCell?: boolean;
}): ReactNode {
  if (value === null || value === undefined || value === '') return <Unknown />;
  if (kind === 'level' && isLevel(value)) return <LevelTag level={value} />;
  if (kind === 'queryid') return <QueryLink id={String(value)} />;
  if (kind === 'time' && typeof value === 'string') return <Time at={value} />;
  if (kind === 'remedy') return <span className="tag tag-plain">SQL in the details</span>;
  if (kind === 'sql' && typeof value === 'string') {
    return (
      <span className="mono">
        <Shown text={value} lines />
      </span>
    );
  }
  if (Array.isArray(value)) {
    if (value.length === 0) return <span className="muted">none</span>;
    if (!inCell) return <List values={value} name={name} />;
  }
  return <Shown text={asText(value, kind, name)} />;
}

function List({ values, name }: { values: readonly unknown[]; name: string }) {
  const nested = values.some((each) => typeof each === 'object' && each !== null);
  return (
    <span className={nested ? 'lines' : 'tags'}>
      {values.map((each, i) => {
        const text = asText([each], 'list', name);
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: elements of a list may be alike, and never move
          <span key={i} className={nested ? undefined : 'tag tag-plain'}>
            <Shown text={text} />
          </span>
        );
      })}
    </span>
  );
}
