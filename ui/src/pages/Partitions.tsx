import type { Schemas } from '../api/types';
import { Page, type PageView, viewOf } from '../components/Page';
import { Runway } from '../components/Runway';
import { columns, qualified } from '../lib/columns';

const VIEW: PageView = viewOf('partitions', {
  panels: [
    {
      name: 'partitions.tables',
      columns: columns<Schemas['PartitionedTableRow']>(
        { key: 'relation', label: 'Table', text: qualified },
        'level',
        { key: 'hint', label: 'What of it', rank: 1.5, least: 20 },
        { key: 'horizon_seconds', label: 'Runway' },
        { key: 'newest_upper', label: 'Last bound', kind: 'text' },
        { key: 'partitions', label: 'Partitions' },
        { key: 'default_rows', label: 'Rows in DEFAULT' },
        'gaps',
        'interval',
        'strategy',
        { key: 'key_column', label: 'Key' },
        { key: 'oldest_seconds', label: 'Oldest' },
      ),
    },
  ],
});

export default function Partitions() {
  return <Page view={VIEW} above={(loaded) => <Runway rows={loaded[0]?.answer.data.panels.tables?.rows ?? []} />} />;
}
