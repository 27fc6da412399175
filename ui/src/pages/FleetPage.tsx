import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useFleet } from '../api/queries';
import type { Row, Schemas, Target } from '../api/types';
import { useDataTable } from '../components/DataTable';
import { ErrorView } from '../components/Errors';
import { LEVEL_WORDS } from '../components/Level';
import { LevelBand, useLevel } from '../components/LevelBand';
import { ListPanel } from '../components/ListPanel';
import { PageHead, VerdictBanner } from '../components/Page';
import { Failure } from '../components/Panel';
import { Shown } from '../components/Shown';
import { Sparkline } from '../components/Sparkline';
import { Bar } from '../components/Value';
import { useAddress } from '../lib/address';
import { columns } from '../lib/columns';
import { formatCount, formatRatio } from '../lib/format';
import { forTarget } from '../lib/search';
import { visible } from '../lib/visible';

const COLUMNS = columns<Schemas['Target']>(
  { key: 'db', label: 'Database', text: (row) => `${String(row.cluster)} / ${String(row.db)}` },
  'level',
  { key: 'sentence', label: 'What first', rank: 1.5, least: 26 },
  { key: 'transactions_per_second', drawn: true, label: 'TPS' },
  { key: 'connections_ratio', drawn: true, label: 'Connections' },
  { key: 'longest_transaction_seconds', label: 'Oldest transaction' },
  { key: 'blocked_sessions', label: 'Blocked' },
  { key: 'replication_lag_seconds', label: 'Lag' },
  { key: 'wraparound_ratio', label: 'XIDs used', rank: 3 },
  { key: 'cache_hit_ratio', label: 'Cache hits', rank: 3 },
  { key: 'size_bytes', label: 'Size' },
  { key: 'role', rank: 3 },
  { key: 'version', rank: 3 },
);

function Name({ row }: { row: Row }) {
  const [search] = useAddress();
  return (
    <Link to="/" search={forTarget(search, String(row.cluster), String(row.db))}>
      <Shown text={`${String(row.cluster)} / ${String(row.db)}`} />
    </Link>
  );
}

function FleetMap({ targets }: { targets: readonly Target[] }) {
  const [search] = useAddress();
  if (targets.length < 12) return null;
  return (
    <section className="panel" aria-label="Map">
      <div className="minimap">
        {targets.map((target) => (
          <Link
            key={`${target.cluster}/${target.db}`}
            to="/"
            preload={false}
            search={forTarget(search, target.cluster, target.db)}
            className={`level-${target.level}`}
            title={`${visible(`${target.cluster} / ${target.db}`)}: ${LEVEL_WORDS[target.level]}. ${target.sentence}`}
            aria-label={`${visible(`${target.cluster} / ${target.db}`)}: ${LEVEL_WORDS[target.level]}`}
          />
        ))}
      </div>
    </section>
  );
}

const CELLS = {
  db: (row: Row) => <Name row={row} />,
  transactions_per_second: (row: Row) =>
    typeof row.transactions_per_second === 'number' ? (
      <span className="with-spark">
        {Array.isArray(row.transactions_history) ? (
          <Sparkline values={row.transactions_history as (number | null)[]} />
        ) : null}
        {formatCount(row.transactions_per_second)}
      </span>
    ) : undefined,
  connections_ratio: (row: Row) =>
    typeof row.connections_ratio === 'number' ? (
      <>
        <Bar share={row.connections_ratio} tone={row.connections_ratio > 0.8 ? 'var(--warn)' : 'var(--s1)'} />
        {formatRatio(row.connections_ratio)}
      </>
    ) : undefined,
};

export default function FleetPage() {
  const fleet = useFleet(true);
  const level = useLevel();
  const data = fleet.data?.data;
  const rows = useMemo<Row[]>(
    () =>
      (data?.targets ?? [])
        .filter((target) => level === undefined || target.level === level)
        .map((target) => ({ ...target, id: `${target.cluster}/${target.db}` })),
    [data, level],
  );
  const { tools, table } = useDataTable({ name: 'fleet', label: 'databases', rows, columns: COLUMNS, cells: CELLS });
  return (
    <>
      <PageHead title="Fleet" question="Which of them needs me?" />
      {fleet.isError ? <ErrorView error={fleet.error} title="Fleet" /> : null}
      {data === undefined ? (
        fleet.isError ? null : (
          <div aria-busy="true" className="skeleton wait-panel" />
        )
      ) : (
        <>
          <VerdictBanner verdicts={[data.verdict]} />
          {data.configuration_failure === null ? null : (
            <Failure title="A newer configuration is not in force" hint={data.configuration_failure} />
          )}
          <LevelBand counts={data.counts} />
          <FleetMap targets={data.targets} />
          <ListPanel
            id="fleet"
            title="Databases"
            rows={rows.length}
            all={data.counts.all}
            none="No database is configured."
            tools={tools}
            table={table}
            from="From the latest figures of each; no SQL runs for this page"
            oldest={{ seconds: fleet.data?.age_seconds, receivedAt: fleet.dataUpdatedAt }}
          />
        </>
      )}
    </>
  );
}
