import type { Row, Schemas } from '../api/types';
import { Page, type PageView, viewOf } from '../components/Page';
import { XMIN_HOLDERS } from '../components/SharedViews';
import { Bar } from '../components/Value';
import { columns, qualified } from '../lib/columns';
import { formatRatio } from '../lib/format';

function share(value: unknown) {
  if (typeof value !== 'number') return undefined;
  return (
    <>
      <Bar share={value} tone={value >= 0.8 ? 'var(--crit)' : value >= 0.5 ? 'var(--warn)' : 'var(--s1)'} />
      {formatRatio(value)}
    </>
  );
}

const VIEW: PageView = viewOf('wraparound', {
  panels: [
    {
      name: 'wraparound.databases',
      columns: columns<Schemas['DatabaseAge']>(
        'datname',
        'level',
        { key: 'used_ratio', drawn: true, label: 'IDs used' },
        { key: 'freeze_ratio', label: 'Of what forces autovacuum' },
        { key: 'xid_age', label: 'XID age' },
        { key: 'mxid_age', label: 'MXID age' },
        { key: 'xids_per_second', label: 'XIDs used up' },
        { key: 'seconds_until_protection', label: 'Until writes stop' },
      ),
      cells: { used_ratio: (row: Row) => share(row.used_ratio) },
    },
    {
      name: 'wraparound.tables',
      columns: columns<Schemas['TableAge']>(
        { key: 'table_name', label: 'Table', text: qualified },
        'level',
        { key: 'ratio', label: 'Of what forces autovacuum' },
        'xid_age',
        'mxid_age',
        { key: 'xid_of_toast', label: 'Held by TOAST' },
        'freeze_max_age',
      ),
    },
    { name: 'wraparound.xmin_holders', columns: XMIN_HOLDERS },
  ],
});

export default function Wraparound() {
  return <Page view={VIEW} />;
}
