import { useMemo } from 'react';
import type { ClusterModel, Row, Schemas } from '../../api/types';
import { type Change, calledOf, changesOf, memberLevel, ROLES, reachedText } from '../../lib/clusters';
import { columns } from '../../lib/columns';
import { visible } from '../../lib/visible';
import { useDataTable } from '../DataTable';

function roleOf(role: unknown): string | undefined {
  return typeof role === 'string' ? (ROLES[role as Schemas['ClusterRole']] ?? role) : undefined;
}

const MEMBERS = columns<Schemas['ClusterMember'] & { level: string }>(
  { key: 'id', label: 'Member', text: (row) => calledOf(row as Schemas['ClusterMember']) },
  'level',
  { key: 'role', text: (row) => roleOf(row.role), rank: 1.2 },
  { key: 'reachable', label: 'PostgreSQL', kind: 'text', text: (row) => reachedText(row.reachable), rank: 1.5 },
  { key: 'lag_seconds', label: 'Lag' },
  { key: 'lag_bytes', label: 'Lag (bytes)' },
  { key: 'replication_state', label: 'Replication' },
  { key: 'sync_state', label: 'Sync' },
  { key: 'timeline', rank: 2.2 },
  { key: 'position_bytes', label: 'Position', kind: 'lsn', rank: 2.5 },
  { key: 'upstream', label: 'Replicates from', rank: 2.5 },
  { key: 'state', label: 'State', rank: 2.5, help: 'The manager’s word for how it is' },
  { key: 'error', label: 'Why not', rank: 2.8 },
  { key: 'address', rank: 3 },
  { key: 'desired_role', label: 'To become', text: (row) => roleOf(row.desired_role), more: true },
  { key: 'registered', label: 'Heard of by the manager', more: true },
  { key: 'in_recovery', label: 'In recovery', more: true },
  { key: 'pending_restart', label: 'Restart pending', more: true },
  { key: 'system_identifier', label: 'System identifier', more: true },
  { key: 'store_seen', label: 'Store last reached', kind: 'time', more: true },
  {
    key: 'tags',
    text: (row) =>
      Array.isArray(row.tags) && row.tags.length > 0
        ? row.tags.map((tag) => (Array.isArray(tag) ? tag.join('=') : String(tag))).join(', ')
        : undefined,
    kind: 'text',
    more: true,
  },
  { key: 'name', label: 'Short name', more: true },
);

const idOf = (row: Row) => String(row.id);

/** All that is known of each member. */
export function Members({ cluster, table: name }: { cluster: ClusterModel; table: string }) {
  const rows = useMemo<Row[]>(
    () =>
      cluster.members.map((member) => ({
        ...member,
        tags: member.tags.map((tag) => tag.join('=')),
        level: memberLevel(member, cluster.issues),
      })),
    [cluster],
  );
  const { tools, table } = useDataTable({
    name,
    label: `members of ${visible(cluster.name)}`,
    rows,
    columns: MEMBERS,
    idOf,
  });
  return (
    <div className="cluster-part cluster-table" id={name}>
      <div className="part-head">
        <h3>Members</h3>
        <div className="panel-tools">{tools}</div>
      </div>
      {table}
    </div>
  );
}

const KINDS: Record<Change['kind'], string> = {
  failover: 'Failover',
  generation: 'New generation',
  timeline: 'New timeline',
  change: 'Change',
};

const HISTORY = columns<Change>(
  { key: 'at', label: 'When', kind: 'time' },
  { key: 'kind', drawn: true, text: (row) => KINDS[row.kind as Change['kind']], rank: 1 },
  { key: 'from', label: 'From', rank: 1.5 },
  { key: 'to', label: 'Primary from then on', rank: 1.5 },
  { key: 'generation', kind: 'id' },
  { key: 'timeline', kind: 'id' },
  { key: 'what', label: 'What happened', rank: 1.8, least: 18 },
  { key: 'sync', label: 'Sync from then on', rank: 2.5 },
  { key: 'lsn', label: 'Position', kind: 'text', rank: 3 },
);

const CELLS = {
  kind: (row: Row) =>
    row.kind === 'failover' ? (
      <span className="tag tag-warn">{KINDS.failover}</span>
    ) : (
      KINDS[row.kind as Change['kind']]
    ),
};

const changeId = (row: Row) => [row.at, row.generation, row.timeline].join('/');

/** Generations and failovers, the newest first. */
export function Changes({ cluster, table: name }: { cluster: ClusterModel; table: string }) {
  // As records: the table knows no other rows.
  const rows = useMemo<Row[]>(() => changesOf(cluster.history).map((change) => ({ ...change })), [cluster]);
  const { tools, table } = useDataTable({
    name,
    label: `history of ${visible(cluster.name)}`,
    rows,
    columns: HISTORY,
    cells: CELLS,
    idOf: changeId,
  });
  return (
    <div className="cluster-part cluster-table" id={name}>
      <div className="part-head">
        <h3>History</h3>
        <span className="muted">newest first</span>
        {rows.length === 0 ? null : <div className="panel-tools">{tools}</div>}
      </div>
      {rows.length === 0 ? <p className="empty">{nothingOf(cluster.manager)}</p> : table}
    </div>
  );
}

function nothingOf(manager: ClusterModel['manager']): string {
  return manager === 'streaming'
    ? 'Streaming replication alone keeps no history.'
    : 'Its manager has no history of it, or none that could be read.';
}
