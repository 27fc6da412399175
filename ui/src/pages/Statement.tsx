import { Link, useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { Schemas } from '../api/types';
import { HistoryChart } from '../components/Chart';
import { NoSuchStatement } from '../components/Errors';
import { Facts, Page, type PageView } from '../components/Page';
import { Sql } from '../components/Sql';
import { useAddress } from '../lib/address';
import { columns } from '../lib/columns';
import { kept } from '../lib/search';
import { SESSIONS } from './Activity';

const FACTS = columns<Schemas['StatementRow']>(
  'queryid',
  { key: 'time_share', label: 'Share of time' },
  'calls_per_second',
  'mean_ms',
  'p95_ms',
);

const CHARTS = [
  ['Execution time per second', 'pg_stmt_time_seconds_total', 'seconds'],
  ['Calls per second', 'pg_stmt_calls_total', 'per_second'],
  ['Rows per second', 'pg_stmt_rows_total', 'per_second'],
  ['Blocks read per second', 'pg_stmt_shared_blks_read_total', 'per_second'],
] as const;

export default function Statement() {
  const { queryid } = useParams({ strict: false }) as { queryid: string };
  const [search] = useAddress();
  const view = useMemo<PageView>(
    () => ({
      to: '/queries/$queryid',
      title: 'Statement',
      question: queryid,
      sources: [`statements/${encodeURIComponent(queryid)}`],
      panels: [
        {
          name: `statements/${encodeURIComponent(queryid)}.statement`,
          draw: (panel) => {
            const rows = panel.rows ?? [];
            return (
              <>
                {typeof rows[0]?.text === 'string' ? (
                  <div className="panel-pad">
                    <Sql sql={rows[0].text} label="Copy the statement" />
                  </div>
                ) : null}
                <Facts rows={rows.map(({ text: _, ...rest }) => rest)} columns={FACTS} />
              </>
            );
          },
        },
        { name: `statements/${encodeURIComponent(queryid)}.sessions`, columns: SESSIONS },
      ],
    }),
    [queryid],
  );
  return (
    <>
      <p>
        <Link to="/queries" search={kept(search)}>
          All statements
        </Link>
      </p>
      <Page
        view={view}
        missing={<NoSuchStatement queryid={queryid} />}
        above={(loaded) =>
          (loaded[0]?.answer.data.figures ?? []).some((figure) => figure.history !== null) ? null : (
            <div className="charts">
              {CHARTS.map(([title, metric, unit]) => (
                <HistoryChart
                  key={metric}
                  title={title}
                  metric={{ metric, labels: { queryid }, counter: true }}
                  unit={unit}
                />
              ))}
            </div>
          )
        }
      />
    </>
  );
}
