import type { Schemas } from '../api/types';
import { Page, type PageView, viewOf } from '../components/Page';
import { SETTING } from '../components/SharedViews';
import { columns } from '../lib/columns';
import { settingText } from '../lib/text';

const VIEW: PageView = viewOf('settings', {
  panels: [
    {
      name: 'settings.changed',
      columns: columns<Schemas['SettingsRow']>(
        'name',
        { key: 'setting', label: 'Value', text: (row) => settingText(row.setting, row.unit) },
        { key: 'value_at_start', label: 'Before', text: (row) => settingText(row.value_at_start, row.unit) },
        'changed_at',
        { key: 'pending_restart', label: 'Waits for a restart' },
        'source',
      ),
    },
    { name: 'settings.configured', columns: SETTING },
    { name: 'settings.all', columns: SETTING },
  ],
});

export default function Settings() {
  return <Page view={VIEW} />;
}
