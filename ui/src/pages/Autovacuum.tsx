import type { Row, Schemas } from '../api/types';
import { Page, type PageView, viewOf } from '../components/Page';
import { PROGRESS, SETTING, XMIN_HOLDERS } from '../components/SharedViews';
import { Bar } from '../components/Value';
import { columns, qualified } from '../lib/columns';

/** 1 = due: the bar is full at twice that. */
function pressure({ pressure: value }: Row) {
  if (typeof value !== 'number') return undefined;
  const tone = value >= 2 ? 'var(--crit)' : value >= 1 ? 'var(--warn)' : 'var(--s1)';
  return (
    <>
      <Bar share={value / 2} tone={tone} />
      {value >= 10 ? Math.round(value) : value.toFixed(2)}
    </>
  );
}

/** A row without figures says why it has none. */
function analyzed(row: Row): string | undefined {
  if (typeof row.analyzed_seconds === 'number') return undefined;
  if (row.never_analyzed === true) return 'never';
  return row.partition_parent === true ? 'not seen: only its partitions are' : undefined;
}

const VIEW: PageView = viewOf('autovacuum', {
  panels: [
    {
      name: 'autovacuum.tables',
      columns: columns<Schemas['VacuumTable']>(
        { key: 'relation', label: 'Table', text: qualified },
        'level',
        {
          key: 'pressure',
          drawn: true,
          label: 'Pressure',
          kind: 'count',
          help: 'Dead, inserted or changed rows in relation to the table’s own trigger: 1 = due',
        },
        { key: 'dead_tuples', label: 'Dead rows' },
        { key: 'vacuum_trigger', label: 'Due at', help: 'Dead rows at which autovacuum comes' },
        { key: 'dead_ratio', label: 'Dead' },
        { key: 'dead_bytes_estimate', label: 'Dead size (est.)' },
        { key: 'last_vacuum_seconds_ago', label: 'Last vacuum' },
        { key: 'last_analyze_seconds_ago', label: 'Last analyze', rank: 3 },
        { key: 'freeze_ratio', label: 'Freeze age' },
        'overrides',
      ),
      cells: { pressure },
    },
    { name: 'autovacuum.workers', ...PROGRESS },
    { name: 'autovacuum.xmin_holders', columns: XMIN_HOLDERS },
    {
      name: 'autovacuum.stale_statistics',
      columns: columns<Schemas['StaleTable']>(
        { key: 'table_name', label: 'Table', text: qualified },
        { key: 'mods_since_analyze', label: 'Changed rows' },
        { key: 'analyzed_seconds', label: 'Analyzed', text: analyzed },
        'ratio',
        'never_analyzed',
      ),
    },
    {
      name: 'autovacuum.settings',
      columns: SETTING,
    },
  ],
});

export default function Autovacuum() {
  return <Page view={VIEW} />;
}
