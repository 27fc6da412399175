/** Panels that more than one page shows. */

import type { Row, Schemas } from '../api/types';
import { columns, qualified } from '../lib/columns';
import { formatCount, formatRatio } from '../lib/format';
import { settingText } from '../lib/text';
import { Shown } from './Shown';
import { Bar, QueryLink } from './Value';

function share(done: unknown, total: unknown): number | undefined {
  return typeof done === 'number' && typeof total === 'number' && total > 0 ? Math.min(1, done / total) : undefined;
}

export const PROGRESS = {
  columns: columns<Schemas['ProgressRow']>(
    { key: 'relation', label: 'Relation', text: qualified },
    'command',
    'phase',
    { key: 'done', drawn: true, label: 'Progress' },
    'unit',
    { key: 'running_seconds', label: 'Running for' },
    'blocked',
    'automatic',
    'datname',
    'pid',
  ),
  cells: {
    done: (row: Row) => {
      const part = share(row.done, row.total);
      return part === undefined ? undefined : (
        <>
          <Bar share={part} />
          {formatRatio(part)}
        </>
      );
    },
  },
};

/** pgmon's session has settings of its own: they say nothing of the server. */
function sourceOf(row: Row): string | undefined {
  return row.source === 'session' || row.source === 'client' ? 'pgmon’s own session' : undefined;
}

export const SETTING = columns<Schemas['SettingsRow']>(
  'name',
  { key: 'setting', label: 'Value', text: (row) => settingText(row.setting, row.unit) },
  { key: 'boot_value', label: 'Built in', text: (row) => settingText(row.boot_value, row.unit) },
  { key: 'source', text: sourceOf },
  { key: 'pending_restart', label: 'Waits for a restart' },
);

export const XMIN_HOLDERS = columns<Schemas['XminHorizonRow']>(
  'holder',
  'name',
  { key: 'xid_age', label: 'Holds back (transactions)' },
  { key: 'seconds', label: 'For' },
  'state',
  'database',
  'pid',
);

function changed(row: Row): string | undefined {
  const ratio = row.mean_change_ratio;
  if (typeof ratio !== 'number') return undefined;
  const text = `×${ratio >= 10 ? formatCount(ratio) : ratio.toFixed(2)}`;
  return ratio >= 2 ? `${text} slower` : text;
}

export const STATEMENTS = columns<Schemas['StatementRow']>(
  { key: 'text', label: 'Statement' },
  {
    key: 'time_share',
    drawn: true,
    label: 'Share of time',
    help: 'Share of the execution time of all statements in the last interval; not of the machine',
  },
  { key: 'calls_per_second', label: 'Calls' },
  { key: 'mean_ms', label: 'Mean' },
  { key: 'p95_ms', label: 'p95' },
  {
    key: 'mean_change_ratio',
    label: 'Mean vs before',
    help: 'The mean of the last interval in relation to that since the reset',
    text: changed,
  },
  { key: 'rows_per_call', label: 'Rows/call' },
  { key: 'hit_ratio', label: 'Cache hits' },
  { key: 'read_bytes', label: 'Read' },
  { key: 'temp_written_bytes', label: 'Temp', rank: 3 },
  { key: 'wal_bytes', label: 'WAL' },
  { key: 'queryid', label: 'Query ID', rank: 4 },
);

export const STATEMENT_CELLS = {
  text: (row: Row) => {
    const text = typeof row.text === 'string' ? <Shown text={row.text} /> : 'text not known';
    return typeof row.queryid === 'string' ? <QueryLink id={row.queryid}>{text}</QueryLink> : text;
  },
  time_share: (row: Row) =>
    typeof row.time_share === 'number' ? (
      <>
        <Bar share={row.time_share} />
        {formatRatio(row.time_share)}
      </>
    ) : undefined,
  mean_change_ratio: (row: Row) =>
    typeof row.mean_change_ratio === 'number' && row.mean_change_ratio >= 2 ? (
      <span className="level level-warn">{changed(row)}</span>
    ) : undefined,
};
