import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Row } from '../api/types';
import { useAddress, useZone } from '../lib/address';
import { formatTime, formatValue, type Kind, UNKNOWN } from '../lib/format';
import { kept } from '../lib/search';
import { isLevel, LevelTag } from './Level';

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

function QueryLink({ id }: { id: string }) {
  const [search] = useAddress();
  return (
    <Link to="/queries/$queryid" params={{ queryid: id }} search={kept(search)} className="mono">
      {id}
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
]);

export function isNumeric(kind: Kind): boolean {
  return NUMERIC.has(kind);
}

/** The value as text, for widths, filters and titles. */
export function asText(value: unknown, kind: Kind): string {
  if (value === null || value === undefined || value === '') return UNKNOWN;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.map((each) => asText(each, 'text')).join(', ');
  if (typeof value === 'object') return JSON.stringify(value);
  if (kind === 'id') return String(value);
  return typeof value === 'number' ? formatValue(value, kind) : String(value);
}

/** A value of a row. Text is text: whatever a name holds, React writes it as such. */
export function Value({ value, kind }: { value: unknown; kind: Kind; row?: Row }): ReactNode {
  if (value === null || value === undefined || value === '') return <Unknown />;
  if (kind === 'level' && isLevel(value)) return <LevelTag level={value} />;
  if (kind === 'queryid') return <QueryLink id={String(value)} />;
  if (kind === 'time' && typeof value === 'string') return <Time at={value} />;
  if (kind === 'sql') return <span className="mono">{String(value)}</span>;
  if (kind === 'remedy') return <span className="tag tag-plain">SQL in the details</span>;
  if (kind === 'list' && Array.isArray(value)) {
    if (value.length === 0) return <span className="muted">none</span>;
    return (
      <span className="tags">
        {value.map((each) => (
          <span key={asText(each, 'text')} className="tag tag-plain">
            {asText(each, 'text')}
          </span>
        ))}
      </span>
    );
  }
  return asText(value, kind);
}
