import type { Schemas } from '../api/types';
import { LockTree } from '../components/LockTree';
import { Page, type PageView, viewOf } from '../components/Page';
import { PROGRESS } from '../components/SharedViews';
import { columns } from '../lib/columns';

export const SESSIONS = columns<Schemas['Session']>(
  'pid',
  { key: 'application_name', label: 'Application' },
  'state',
  { key: 'transaction_seconds', label: 'Transaction' },
  { key: 'state_seconds', label: 'In state' },
  { key: 'wait_event_type', label: 'Waits for' },
  'wait_event',
  'blocked',
  { key: 'has_written', label: 'Wrote' },
  'query',
  'usename',
  'datname',
);

const VIEW: PageView = viewOf('locks', {
  panels: [
    { name: 'locks.tree', draw: (panel) => <LockTree rows={panel.rows ?? []} /> },
    { name: 'activity.sessions', columns: SESSIONS },
    {
      name: 'activity.states',
      half: true,
      columns: columns<Schemas['StateCount']>(
        'state',
        'sessions',
        { key: 'oldest_transaction_seconds', label: 'Oldest transaction' },
        { key: 'longest_in_state_seconds', label: 'Longest in state' },
      ),
    },
    {
      name: 'activity.waits',
      half: true,
      columns: columns<Schemas['WaitCount']>(
        { key: 'wait_event_type', label: 'Waits for' },
        { key: 'wait_event', label: 'Event' },
        'sessions',
      ),
    },
    { name: 'activity.progress', ...PROGRESS },
    { name: 'locks.modes', columns: columns<Schemas['LockMode']>('mode', 'locks', 'waiting') },
    {
      name: 'activity.groups',
      columns: columns<Schemas['SessionGroup']>(
        { key: 'backend_type', label: 'Kind' },
        'state',
        { key: 'wait_event_type', label: 'Waits for' },
        { key: 'wait_event', label: 'Event' },
        { key: 'backends', label: 'Processes' },
        { key: 'oldest_transaction_seconds', label: 'Oldest transaction' },
        { key: 'oldest_query_seconds', label: 'Oldest query' },
        { key: 'longest_in_state_seconds', label: 'Longest in state' },
        { key: 'own', label: 'pgmon’s own', rank: 3 },
        { key: 'in_database', label: 'In this database', rank: 3 },
      ),
    },
  ],
});

export default function Activity() {
  return <Page view={VIEW} />;
}
