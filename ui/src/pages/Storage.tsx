import type { Row, Schemas } from '../api/types';
import { Page, type PageView, viewOf } from '../components/Page';
import { columns, qualified } from '../lib/columns';
import { formatBytes } from '../lib/format';

const INDEX = columns<Schemas['IndexRow']>(
  { key: 'index', label: 'Index', text: qualified },
  'level',
  // Why it is listed: figures without it say nothing.
  { key: 'hint', label: 'What of it', rank: 1.5, least: 20 },
  { key: 'bytes', label: 'Size' },
  'scans',
  { key: 'stats_age_seconds', label: 'Counted for' },
  { key: 'scanned_seconds_ago', label: 'Last scan' },
  { key: 'kept_for', label: 'Kept for', help: 'Why it must not be dropped, whatever its scans' },
  { key: 'is_valid', label: 'Valid' },
  'method',
);

const BLOAT = columns<Schemas['BloatedRelation']>(
  { key: 'name', label: 'Name', text: qualified },
  'level',
  { key: 'bloat_bytes', label: 'Bloat' },
  { key: 'bloat_ratio', label: 'Bloat share' },
  { key: 'size_bytes', label: 'Size' },
  { key: 'estimate', label: 'Estimate' },
  { key: 'not_measured', label: 'Not measured because' },
);

/** With its sign: growth and shrinking are not the same news. */
function signed(value: unknown) {
  return typeof value === 'number' ? `${value > 0 ? '+' : ''}${formatBytes(value)}` : undefined;
}

const VIEW: PageView = viewOf('storage', {
  panels: [
    { name: 'indexes.findings', columns: INDEX },
    {
      name: 'storage.tables',
      columns: columns<Schemas['TableSize']>(
        { key: 'relation', label: 'Table', text: qualified },
        { key: 'total_bytes', label: 'Total' },
        { key: 'share', label: 'Share' },
        { key: 'growth_bytes_per_day', label: 'Growth/day' },
        { key: 'heap_bytes', label: 'Heap' },
        { key: 'index_bytes', label: 'Indexes' },
        { key: 'toast_bytes', label: 'TOAST' },
        { key: 'estimated_rows', label: 'Rows (est.)' },
      ),
      cells: { growth_bytes_per_day: (row: Row) => signed(row.growth_bytes_per_day) },
    },
    { name: 'indexes.indexes', columns: INDEX },
    { name: 'bloat.tables', columns: BLOAT, half: true },
    { name: 'bloat.indexes', columns: BLOAT, half: true },
    {
      name: 'storage.sequences',
      half: true,
      columns: columns<Schemas['SequencesRow']>(
        { key: 'sequence', label: 'Sequence', text: qualified },
        { key: 'used_ratio', label: 'Used' },
        'last_value',
        'max_value',
        'remaining',
        { key: 'column_name', label: 'Column' },
        'cycles',
      ),
    },
    {
      name: 'storage.databases',
      half: true,
      columns: columns<Schemas['DatabaseSize']>(
        'name',
        { key: 'bytes', label: 'Size' },
        { key: 'may', label: 'May be read' },
      ),
    },
    {
      name: 'storage.tablespaces',
      half: true,
      columns: columns<Schemas['TablespaceSize']>('name', { key: 'bytes', label: 'Size' }, 'location', {
        key: 'may',
        label: 'May be read',
      }),
    },
    { name: 'storage.wal', half: true, facts: true },
  ],
});

export default function Storage() {
  return <Page view={VIEW} />;
}
