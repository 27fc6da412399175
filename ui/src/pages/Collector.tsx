import { Link, useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useAnswer, useChosen, useTarget } from '../api/queries';
import type { Answer, CollectorData, Panel, Row } from '../api/types';
import { HistoryChart } from '../components/Chart';
import { useDataTable } from '../components/DataTable';
import { ChooseTarget, ErrorView, NoSuchCollector } from '../components/Errors';
import { Facts, PageHead } from '../components/Page';
import { NoRows, PanelFrame } from '../components/Panel';
import { useAddress } from '../lib/address';
import type { ColumnSpec } from '../lib/columns';
import { kindOf, rateOf } from '../lib/format';
import { kept } from '../lib/search';

type Table = CollectorData['tables'][number];

function rowsOf(table: Table): Row[] {
  return table.rows.map((row) => Object.fromEntries(table.columns.map((column, i) => [column.name, row[i]])));
}

function TablePanel({
  answer,
  table,
  receivedAt,
}: {
  answer: Answer<CollectorData>;
  table: Table;
  receivedAt: number;
}) {
  const data = answer.data;
  const rows = useMemo(() => rowsOf(table), [table]);
  const columns = useMemo<ColumnSpec[]>(
    () =>
      table.columns
        .filter((column) => kindOf(column.name) !== 'remedy')
        .slice(0, 12)
        .map((column) => ({ key: column.name, ...(column.description === null ? {} : { help: column.description }) })),
    [table],
  );
  const { tools, table: grid } = useDataTable({ name: table.name, label: table.name, rows, columns });
  const panel: Panel = {
    title: data.tables.length === 1 ? data.title : `${data.title}: ${table.name.replaceAll('_', ' ')}`,
    state: data.state,
    reason: data.reason,
    needs: data.needs,
    age_seconds: answer.age_seconds,
    collectors: [data.name],
    stats_reset_age_seconds: null,
    note: table.description,
    empty: null,
    rows,
  };
  return (
    <PanelFrame
      id={`table-${table.name}`}
      panel={panel}
      executed={answer.executed}
      receivedAt={receivedAt}
      tools={rows.length > 1 ? tools : undefined}
    >
      {rows.length === 0 ? (
        <NoRows panel={panel} />
      ) : rows.length === 1 ? (
        <Facts rows={rows} columns={columns} />
      ) : (
        grid
      )}
    </PanelFrame>
  );
}

function unitOf(metric: string): string {
  if (metric.endsWith('_total')) return rateOf(unitOf(metric.replace(/_total$/, '')));
  if (/_bytes(_written)?$/.test(metric)) return 'bytes';
  if (/_bytes_per_second$/.test(metric)) return 'bytes_per_second';
  if (/_seconds$/.test(metric)) return 'seconds';
  if (/_ratio$/.test(metric)) return 'ratio';
  return 'count';
}

/** Any collector or custom query, also one that this UI does not know. */
export default function Collector() {
  const { name } = useParams({ strict: false }) as { name: string };
  const target = useTarget();
  const known = useChosen();
  const [search, change] = useAddress();
  const query = useAnswer<CollectorData>(`collectors/${encodeURIComponent(name)}`, target, known === 'yes');
  const answer = query.data;
  const chosen = answer?.data.metrics.find((metric) => metric.name === search.metric) ?? answer?.data.metrics[0];
  return (
    <>
      <p>
        <Link to="/agent" search={kept(search)}>
          All collectors
        </Link>
      </p>
      <PageHead title={answer?.data.title ?? name} question="What it found last, and the SQL that ran" />
      {query.isError ? <ErrorView error={query.error} title={name} missing={<NoSuchCollector name={name} />} /> : null}
      {known === 'no' ? (
        <ChooseTarget />
      ) : answer === undefined ? (
        query.isError ? null : (
          <div aria-busy="true" className="skeleton wait-panel" />
        )
      ) : (
        <>
          {answer.data.tables.length > 0 ? null : (
            <PanelFrame
              id="collector"
              panel={{
                ...answer.data,
                age_seconds: answer.age_seconds,
                collectors: [name],
                stats_reset_age_seconds: null,
                note: null,
                empty: null,
                rows: null,
              }}
              executed={answer.executed}
              receivedAt={query.dataUpdatedAt}
            >
              <p className="empty">There are no rows to show.</p>
            </PanelFrame>
          )}
          <div className="panels">
            {answer.data.tables.map((table) => (
              <TablePanel key={table.name} answer={answer} table={table} receivedAt={query.dataUpdatedAt} />
            ))}
          </div>
          {chosen === undefined ? null : (
            <>
              <label>
                Metric{' '}
                <select
                  className="filter metric-choice"
                  value={chosen.name}
                  onChange={(event) => change({ metric: event.currentTarget.value })}
                >
                  {answer.data.metrics.map((metric) => (
                    <option key={metric.name}>{metric.name}</option>
                  ))}
                </select>
              </label>
              <p className="muted">{chosen.help}</p>
              <div className="charts">
                <HistoryChart
                  title={chosen.name}
                  metric={{ metric: chosen.name, labels: {}, counter: chosen.kind === 'counter' }}
                  unit={unitOf(chosen.name)}
                />
              </div>
            </>
          )}
        </>
      )}
    </>
  );
}
