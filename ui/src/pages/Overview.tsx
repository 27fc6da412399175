import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useFleet } from '../api/queries';
import type { Panel, Row, Schemas } from '../api/types';
import { isLevel, LevelTag } from '../components/Level';
import { pageOf } from '../components/nav';
import { Page, type PageView, viewOf } from '../components/Page';
import { STATEMENT_CELLS, STATEMENTS } from '../components/SharedViews';
import { useAddress } from '../lib/address';
import { columns } from '../lib/columns';
import { foldSame } from '../lib/once';
import { kept } from '../lib/search';
import { sentence } from '../lib/visible';
import { counted } from '../lib/words';

function Pages({ panel }: { panel: Panel }) {
  const [search] = useAddress();
  const link = (row: Row) => {
    const page = pageOf(String(row.page));
    return page === undefined ? (
      <b key={String(row.page)}>{String(row.page)}</b>
    ) : (
      <Link key={String(row.page)} to={page.to} search={kept(search)}>
        {page.pages.length > 1 ? `${page.label}: ${String(row.page)}` : page.label}
      </Link>
    );
  };
  return (
    <ul className="page-list">
      {foldSame(panel.rows ?? [], (row) => `${String(row.level)} ${String(row.sentence)}`).map((rows) => {
        const [row] = rows;
        if (row === undefined) return null;
        const many = rows.length > 1;
        return (
          <li key={String(row.page)}>
            <LevelTag level={isLevel(row.level) ? row.level : 'unknown'} />
            {many ? <b>{counted(rows.length, 'page')}</b> : link(row)}
            <span className="page-says">{sentence(String(row.sentence))}</span>
            {many ? <span className="page-says page-names">{rows.map(link)}</span> : null}
          </li>
        );
      })}
    </ul>
  );
}

const VIEW: PageView = viewOf('overview', {
  panels: [
    { name: 'overview.pages', half: true, tall: true, draw: (panel) => <Pages panel={panel} /> },
    {
      name: 'overview.canary',
      half: true,
      columns: columns<Schemas['CanaryProbe']>(
        'probe',
        'latency_seconds',
        { key: 'round_trip_seconds', label: 'Round trip' },
        { key: 'planning_seconds', label: 'Planning' },
        { key: 'execution_seconds', label: 'Execution' },
      ),
    },
    { name: 'overview.throughput', facts: true, half: true },
    { name: 'overview.top_statements', columns: STATEMENTS, cells: STATEMENT_CELLS },
  ],
});

export default function Overview() {
  const [search] = useAddress();
  const fleet = useFleet();
  const navigate = useNavigate();
  const many = (fleet.data?.data.targets.length ?? 0) > 1;
  const unchosen = search.db === undefined && search.cluster === undefined;
  useEffect(() => {
    if (many && unchosen) void navigate({ to: '/fleet', search: kept(search), replace: true } as never);
  }, [many, unchosen, navigate, search]);
  if (unchosen && (many || fleet.isPending)) return <p className="wait-more">Loading the databases</p>;
  return <Page view={VIEW} />;
}
