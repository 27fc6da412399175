import type { Schemas } from '../api/types';
import { Page, type PageView, viewOf } from '../components/Page';
import { columns } from '../lib/columns';

const SETTING = columns<Schemas['SettingsRow']>(
  'name',
  { key: 'setting', label: 'Value' },
  'unit',
  'source',
  { key: 'boot_value', label: 'Built in' },
  { key: 'pending_restart', label: 'Waits for a restart' },
);

const VIEW: PageView = viewOf('settings', {
  panels: [
    {
      name: 'settings.changed',
      columns: columns<Schemas['SettingsRow']>(
        'name',
        { key: 'setting', label: 'Value' },
        { key: 'value_at_start', label: 'Before' },
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
