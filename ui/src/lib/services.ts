/** What there is to say of services: see docs/services.md. */

import type { Level, Row, Service, Verdict } from '../api/types';
import { type ColumnSpec, columns } from './columns';
import { formatAge, formatDuration } from './format';
import { sentence } from './visible';
import { listed } from './words';

export const STATE_WORDS: Record<Service['state'], string> = {
  ok: 'OK',
  warning: 'Warning',
  failed: 'Failed',
  pending: 'Not checked',
};

/** A certificate that ends sooner needs somebody: the rule for Prometheus has the same limit. */
const CERTIFICATE_DAYS = 14;

/** Which of those that fail make `/health` answer 503; nothing if none does. */
export function criticalVerdict(services: readonly Service[]): Verdict | undefined {
  const failed = services.filter(({ critical, state }) => critical && state === 'failed').map(({ name }) => name);
  if (failed.length === 0) return undefined;
  const is = failed.length === 1 ? 'One of them is critical' : `${failed.length} of them are critical`;
  return { level: 'crit', sentence: sentence(`${is}, so /health answers 503: ${listed(failed, 3)}.`) };
}

/** When a certificate ends, from now on, and how bad that is. */
export function certificate(ends: unknown, now: number): { text: string; level: Level } | undefined {
  if (typeof ends !== 'string') return undefined;
  const seconds = (Date.parse(ends) - now) / 1000;
  if (Number.isNaN(seconds)) return undefined;
  if (seconds <= 0) return { text: `ended ${formatDuration(-seconds)} ago`, level: 'crit' };
  return { text: `in ${formatDuration(seconds)}`, level: seconds < CERTIFICATE_DAYS * 86_400 ? 'warn' : 'ok' };
}

/** Whether its checks stay away: three intervals, as a refused login is repeated less often. */
export function isLate(row: Row): boolean {
  const { age_seconds: age, interval_seconds: interval, timeout_seconds: timeout } = row;
  return (
    typeof age === 'number' &&
    typeof interval === 'number' &&
    age > 3 * interval + (typeof timeout === 'number' ? timeout : 0)
  );
}

function ago(at: unknown, now: number): string | undefined {
  const seconds = typeof at === 'string' ? (now - Date.parse(at)) / 1000 : Number.NaN;
  return Number.isNaN(seconds) ? undefined : `${formatAge(seconds)} ago`;
}

function stateWord(row: Row): string {
  return STATE_WORDS[row.state as Service['state']] ?? String(row.state);
}

/** The table of all of them, as of a time by pgmon's clock. */
export function serviceColumns(now: number): readonly ColumnSpec[] {
  return columns<Service>(
    { key: 'name', label: 'Service', least: 10 },
    { key: 'level', label: 'State', text: stateWord },
    {
      key: 'critical',
      text: (row) => (row.critical === true ? 'critical' : 'no'),
      help: 'Whether /health fails with it',
    },
    { key: 'sentence', label: 'What of it', rank: 1.5, least: 13 },
    { key: 'type', rank: 1.8 },
    { key: 'target', rank: 2.1, least: 10 },
    { key: 'duration_seconds', label: 'Response', help: 'How long the last check took' },
    { key: 'since', label: 'Since', text: (row) => ago(row.since, now), kind: 'text', help: 'In this state' },
    { key: 'last_success', text: (row) => ago(row.last_success, now), kind: 'text', rank: 2.3 },
    { key: 'age_seconds', label: 'Age', drawn: true, rank: 2.4, help: 'Since the last check ended' },
    {
      key: 'certificate_ends',
      label: 'Certificate ends',
      drawn: true,
      rank: 2.2,
      kind: 'text',
      text: (row) => certificate(row.certificate_ends, now)?.text,
    },
    { key: 'version', rank: 3 },
    { key: 'checks', rank: 3, more: true },
    { key: 'failures', rank: 3, more: true },
    { key: 'interval_seconds', label: 'Every', more: true },
    { key: 'timeout_seconds', label: 'Timeout', more: true },
    { key: 'state', label: 'Check', more: true },
  );
}
