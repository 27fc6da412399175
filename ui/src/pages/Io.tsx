import type { Schemas } from '../api/types';
import { Page, type PageView, viewOf } from '../components/Page';
import { columns } from '../lib/columns';
import { SLOTS } from './Replication';

const VIEW: PageView = viewOf('io', {
  panels: [
    {
      name: 'wal.wal',
      facts: true,
      half: true,
      columns: columns<Schemas['WalRow']>({ key: 'position_bytes', label: 'Position', kind: 'lsn' }),
    },
    { name: 'wal.files', facts: true, half: true },
    { name: 'wal.checkpoints', facts: true },
    { name: 'wal.archiver', facts: true, half: true },
    { name: 'io.throughput', facts: true, half: true },
    {
      name: 'io.processes',
      columns: columns<Schemas['IoRow']>(
        'backend_type',
        'object',
        'context',
        { key: 'read_bytes', label: 'Read' },
        { key: 'write_bytes', label: 'Written' },
        'hits',
        'evictions',
        'fsyncs',
        { key: 'read_seconds', label: 'Read time' },
        { key: 'write_seconds', label: 'Write time' },
      ),
      sort: '-read_bytes',
    },
    {
      name: 'io.databases',
      columns: columns<Schemas['DatabaseRow']>(
        { key: 'datname', label: 'Database', text: (row) => (row.datname === null ? '(shared objects)' : undefined) },
        { key: 'xact_commit', label: 'Commits' },
        { key: 'xact_rollback', label: 'Rollbacks' },
        { key: 'blks_read', label: 'Blocks read' },
        { key: 'blks_hit', label: 'Blocks hit' },
        'temp_bytes',
        'deadlocks',
        'conflicts',
        'checksum_failures',
        { key: 'stats_reset', label: 'Counted since' },
      ),
    },
    { name: 'wal.slots', columns: SLOTS },
    { name: 'io.temp', facts: true, half: true },
    {
      name: 'io.slru',
      half: true,
      columns: columns<Schemas['SlruRow']>(
        'name',
        { key: 'blks_hit', label: 'Hits' },
        { key: 'blks_read', label: 'Reads' },
        { key: 'blks_written', label: 'Writes' },
        'flushes',
      ),
    },
  ],
});

export default function Io() {
  return <Page view={VIEW} />;
}
