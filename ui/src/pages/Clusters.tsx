import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useClusters } from '../api/queries';
import type { ClusterView, Row } from '../api/types';
import { ClusterCard } from '../components/cluster/ClusterCard';
import { useDataTable } from '../components/DataTable';
import { ErrorView } from '../components/Errors';
import { LevelBand, useLevel } from '../components/LevelBand';
import { ListPanel } from '../components/ListPanel';
import { NothingConfigured } from '../components/NothingConfigured';
import { pageOf } from '../components/nav';
import { PageHead, useScrollTo, VerdictBanner } from '../components/Page';
import { Failure } from '../components/Panel';
import { Shown } from '../components/Shown';
import { useAddress } from '../lib/address';
import { countsOf, keyOf, MANAGERS, rowOf, slugsOf, verdictOf } from '../lib/clusters';
import { columns } from '../lib/columns';
import { visible } from '../lib/visible';

const EXAMPLE = `clusters:
  - {type: manatee, zookeeper: "zk1:2181,zk2:2181,zk3:2181", shard: 1.moray.example.com,
     postgres: {user: pgmon, password_file: /run/secrets/pgmon}}
  - {type: patroni, urls: ["https://db1:8008", "https://db2:8008"]}
  - {type: streaming, databases: ["orders*"]}
`;

/** So many are drawn at once; the others when somebody asks for them. */
const MOST_DRAWN = 12;

const NONE: readonly ClusterView[] = [];

const COLUMNS = columns<ReturnType<typeof rowOf>>(
  { key: 'name', label: 'Cluster' },
  'level',
  { key: 'verdict', label: 'What first', rank: 1.5, least: 17 },
  { key: 'manager', text: (row) => MANAGERS[row.manager as ClusterView['manager']], rank: 2.5 },
  { key: 'leader', label: 'Leads' },
  { key: 'members' },
  { key: 'lag_seconds', label: 'Worst lag' },
  { key: 'lag_bytes', label: 'Worst lag (bytes)', rank: 2.5 },
  { key: 'generation', kind: 'id', rank: 2.6 },
  { key: 'timeline', rank: 2.6 },
  { key: 'paused', label: 'Frozen or paused', rank: 2.4 },
  { key: 'failovers', label: 'Failovers seen', rank: 3 },
  { key: 'age_seconds', label: 'Age', rank: 2.4 },
  { key: 'source', rank: 3, more: true },
);

function Name({ row, rest }: { row: Row; rest: Record<string, string> }) {
  return (
    <Link to="." search={{ ...rest, one: String(row.key) }} preload={false}>
      <Shown text={String(row.name)} />
    </Link>
  );
}

const idOf = (row: Row) => String(row.key);

/** All of them in a table, where there are several. */
function All({ all }: { all: readonly ClusterView[] }) {
  const [search] = useAddress();
  const level = useLevel();
  const rows = useMemo<Row[]>(
    () => all.filter((view) => level === undefined || view.level === level).map((view) => ({ ...rowOf(view) })),
    [all, level],
  );
  const cells = useMemo(() => ({ name: (row: Row) => <Name row={row} rest={search} /> }), [search]);
  const { tools, table } = useDataTable({ name: 'clusters', label: 'clusters', rows, columns: COLUMNS, cells, idOf });
  return (
    <>
      <LevelBand counts={countsOf(all)} />
      <ListPanel
        id="clusters"
        title="All clusters"
        rows={rows.length}
        all={all.length}
        none="There are none."
        tools={tools}
        table={table}
      />
    </>
  );
}

export default function Clusters() {
  const answer = useClusters();
  const [search] = useAddress();
  const level = useLevel();
  const data = answer.data?.data;
  const all = data?.clusters ?? NONE;
  const slugs = useMemo(() => slugsOf(all.map(keyOf)), [all]);
  const wanted = all.filter((view) =>
    search.one === undefined ? level === undefined || view.level === level : keyOf(view) === search.one,
  );
  const drawn = wanted.slice(0, MOST_DRAWN);
  useScrollTo(data !== undefined);
  const { one: _, ...others } = search;
  return (
    <>
      <PageHead title="Clusters" question={pageOf('clusters')?.question ?? ''} />
      {answer.isError ? <ErrorView error={answer.error} title="Clusters" /> : null}
      {data === undefined ? (
        answer.isError ? null : (
          <>
            <div aria-busy="true" className="skeleton wait-verdict" />
            <div className="skeleton wait-panel" />
          </>
        )
      ) : all.length === 0 ? (
        <NothingConfigured id="clusters" title="No cluster is configured" example={EXAMPLE}>
          <p>
            pgmon can ask what manages a highly available PostgreSQL, and its members, who leads, who follows how far
            behind, and what is wrong: Manatee through ZooKeeper, Patroni through its REST API, and plain streaming
            replication from the databases that are watched anyway. Each is an entry below <code>clusters:</code>. pgmon
            reads, and tells nobody to do anything.
          </p>
        </NothingConfigured>
      ) : (
        <>
          <VerdictBanner verdicts={[verdictOf(all)]} />
          {all.length === 1 || search.one !== undefined ? null : <All all={all} />}
          {search.one !== undefined && wanted.length === 0 ? (
            <Failure
              title={`There is no cluster ${visible(search.one)}`}
              hint="It may have been taken out of the configuration, or have another name by now."
            >
              <Link to="." search={others}>
                All clusters
              </Link>
            </Failure>
          ) : null}
          {drawn.map((view) => (
            <ClusterCard
              key={keyOf(view)}
              view={view}
              slug={slugs.get(keyOf(view)) ?? 'cluster'}
              receivedAt={answer.dataUpdatedAt}
              alone={all.length === 1}
            />
          ))}
          {wanted.length > drawn.length ? (
            <p className="muted">
              {wanted.length - drawn.length} more are in the table above; choose one there to see it in full.
            </p>
          ) : null}
        </>
      )}
    </>
  );
}
