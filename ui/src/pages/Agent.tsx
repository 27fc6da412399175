import { Link } from '@tanstack/react-router';
import type { Row, Schemas } from '../api/types';
import { Page, type PageView, viewOf } from '../components/Page';
import { Shown } from '../components/Shown';
import { Sql } from '../components/Sql';
import { useAddress } from '../lib/address';
import { columns } from '../lib/columns';
import { kept } from '../lib/search';

function CollectorLink({ row }: { row: Row }) {
  const [search] = useAddress();
  const datname = typeof row.datname === 'string' ? { datname: row.datname } : {};
  return (
    <Link to="/collectors/$name" params={{ name: String(row.name) }} search={{ ...kept(search), ...datname }}>
      <Shown text={String(row.title)} />
    </Link>
  );
}

function listed(value: unknown, between: string): string | undefined {
  return Array.isArray(value) && value.length > 0 ? value.join(between) : undefined;
}

function met(row: Row) {
  if (row.met === true) return <span className="tag tag-ok">there</span>;
  return row.met === false ? <span className="tag tag-warn">missing</span> : undefined;
}

const VIEW: PageView = viewOf('collectors', {
  panels: [
    {
      name: 'collectors.grants',
      columns: columns<Schemas['Grant']>(
        { key: 'needs', label: 'Right or extension' },
        {
          key: 'met',
          drawn: true,
          label: 'State',
          text: (row) => (row.met === true ? 'there' : row.met === false ? 'missing' : undefined),
        },
        { key: 'effects', label: 'Not seen without it', text: (row) => listed(row.effects, '; ') },
        { key: 'collectors', label: 'Needed by', text: (row) => listed(row.collectors, ', ') },
      ),
      cells: {
        met,
      },
      detail: (row) => (typeof row.remedy === 'string' ? <Sql sql={row.remedy} label="Copy what to run" /> : null),
    },
    {
      name: 'collectors.loops',
      columns: columns<Schemas['LoopRow']>(
        'loop',
        'level',
        { key: 'interval_seconds', label: 'Every' },
        { key: 'budget_seconds', label: 'Budget' },
        { key: 'last_duration_seconds', label: 'Took' },
        { key: 'mean_duration_seconds', label: 'Mean' },
        { key: 'age_seconds', label: 'Last round' },
        { key: 'success_age_seconds', label: 'Last success' },
        'rounds',
        'errors',
        'missed',
        { key: 'degraded', label: 'Degraded because', kind: 'text' },
      ),
    },
    {
      name: 'collectors.collectors',
      columns: columns<Schemas['CollectorRow']>(
        { key: 'title', label: 'Collector' },
        'level',
        'outcome',
        { key: 'message', label: 'Message' },
        'loop',
        { key: 'duration_ms', label: 'Took' },
        { key: 'age_seconds', label: 'Age' },
        'rows',
        'errors',
        { key: 'stride', label: 'Every n-th round' },
        { key: 'blind', label: 'Blind' },
        'datname',
      ),
      cells: { title: (row) => <CollectorLink row={row} /> },
    },
    { name: 'collectors.agent', facts: true },
    { name: 'collectors.warnings', optional: true },
    {
      name: 'collectors.left_out',
      optional: true,
      columns: columns<Schemas['LeftOutFamily']>({ key: 'text', label: 'What is left out', kind: 'text' }),
    },
  ],
});

export default function Agent() {
  return <Page view={VIEW} />;
}
