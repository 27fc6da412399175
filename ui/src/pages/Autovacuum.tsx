import type { Row, Schemas } from '../api/types';
import { Page, type PageView, viewOf } from '../components/Page';
import { PROGRESS, XMIN_HOLDERS } from '../components/SharedViews';
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

const VIEW: PageView = viewOf('autovacuum', {
  panels: [
    {
      name: 'autovacuum.tables',
      columns: columns<Schemas['VacuumTable']>(
        { key: 'relation', label: 'Table' },
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
        { key: 'last_analyze_seconds_ago', label: 'Last analyze' },
        { key: 'freeze_ratio', label: 'Freeze age' },
        'overrides',
      ),
      cells: { pressure },
    },
    { name: 'autovacuum.workers', ...PROGRESS },
    { name: 'autovacuum.xmin_holders', columns: XMIN_HOLDERS, half: true },
    {
      name: 'autovacuum.stale_statistics',
      half: true,
      columns: columns<Schemas['StaleTable']>(
        { key: 'table_name', label: 'Table', text: qualified },
        { key: 'mods_since_analyze', label: 'Changed rows' },
        { key: 'analyzed_seconds', label: 'Analyzed' },
        'ratio',
        'never_analyzed',
      ),
    },
    {
      name: 'autovacuum.settings',
      columns: columns<Schemas['SettingsRow']>(
        'name',
        { key: 'setting', label: 'Value' },
        'unit',
        'source',
        'boot_value',
      ),
    },
  ],
});

export default function Autovacuum() {
  return <Page view={VIEW} />;
}
