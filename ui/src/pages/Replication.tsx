import type { Schemas } from '../api/types';
import { Page, type PageView, viewOf } from '../components/Page';
import { Topology } from '../components/Topology';
import { columns } from '../lib/columns';

export const SLOTS = columns<Schemas['Slot']>(
  { key: 'slot_name', label: 'Slot' },
  'level',
  { key: 'hint', label: 'What of it', rank: 1.5, least: 20 },
  { key: 'retained_bytes', label: 'Retained WAL' },
  { key: 'wal_status', label: 'WAL status' },
  { key: 'safe_wal_bytes', label: 'Safe WAL left' },
  'active',
  { key: 'inactive_seconds', label: 'Inactive for' },
  { key: 'slot_type', label: 'Type' },
  'database',
);

const VIEW: PageView = viewOf('replication', {
  panels: [
    { name: 'replication.topology', draw: (panel) => <Topology rows={panel.rows ?? []} /> },
    {
      name: 'replication.replicas',
      columns: columns<Schemas['Replica']>(
        'replica',
        'level',
        { key: 'stage', label: 'Slowest stage' },
        { key: 'lag_seconds', label: 'Lag' },
        { key: 'lag_bytes', label: 'Lag (bytes)' },
        { key: 'unsent_bytes', label: 'Unsent' },
        { key: 'unwritten_bytes', label: 'Unwritten' },
        { key: 'unflushed_bytes', label: 'Unflushed' },
        { key: 'unreplayed_bytes', label: 'Unreplayed' },
        'state',
        { key: 'sync_state', label: 'Sync' },
        { key: 'slot_name', label: 'Slot' },
        { key: 'position_bytes', label: 'Source stands at', kind: 'lsn', more: true },
        { key: 'sent_bytes', label: 'Sent up to', kind: 'lsn', more: true },
        { key: 'write_bytes', label: 'Written up to', kind: 'lsn', more: true },
        { key: 'flush_bytes', label: 'Flushed up to', kind: 'lsn', more: true },
        { key: 'replay_bytes', label: 'Replayed up to', kind: 'lsn', more: true },
      ),
    },
    { name: 'replication.slots', columns: SLOTS },
    {
      name: 'replication.standby',
      facts: true,
      optional: true,
      columns: columns<Schemas['StandbyRow']>(
        { key: 'lag_seconds', label: 'Lag (time)' },
        { key: 'lag_bytes', label: 'Lag (bytes)' },
        { key: 'replay_age_seconds', label: 'Last replayed commit' },
        { key: 'receiver_status', label: 'Receiver' },
        { key: 'last_message_age_seconds', label: 'Last message' },
        { key: 'sender_host', label: 'Source host' },
        { key: 'sender_port', label: 'Source port' },
        { key: 'slot_name', label: 'Slot' },
        { key: 'source_bytes', label: 'Source stands at', kind: 'lsn' },
        { key: 'received_bytes', label: 'Received up to', kind: 'lsn' },
        { key: 'written_bytes', label: 'Written up to', kind: 'lsn' },
        { key: 'replayed_bytes', label: 'Replayed up to', kind: 'lsn' },
      ),
    },
    { name: 'replication.subscriptions', optional: true },
    { name: 'replication.archiver', facts: true },
  ],
});

export default function Replication() {
  return <Page view={VIEW} />;
}
