import { Menu, useMantineColorScheme } from '@mantine/core';
import {
  IconCheck,
  IconChevronDown,
  IconClock,
  IconDeviceDesktop,
  IconMoon,
  IconPlayerPause,
  IconPlayerPlay,
  IconRefresh,
  IconSun,
} from '@tabler/icons-react';
import { useIsFetching } from '@tanstack/react-query';
import { useAddress, useEvery, useRange, useZone } from '../lib/address';
import { useHeld } from '../lib/hold';
import { EVERY, RANGES } from '../lib/search';

export function RefreshControls({ onRefresh, onPause }: { onRefresh: () => void; onPause: () => void }) {
  const every = useEvery();
  const held = useHeld();
  const [, change] = useAddress();
  const fetching = useIsFetching() > 0;
  const words = every === 0 ? 'Paused' : held ? 'Held' : every < 60 ? `${every} s` : `${every / 60} min`;
  return (
    <div className="joined">
      <button
        type="button"
        className="control icon"
        aria-label="Refresh now"
        title="Refresh now (r)"
        onClick={onRefresh}
        data-busy={fetching}
      >
        <IconRefresh size={16} aria-hidden />
      </button>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <button
            type="button"
            className="control refresh-words"
            aria-label={`Refresh: ${words}`}
            title={held && every > 0 ? 'Refreshing waits while the pointer is on rows or text is selected' : undefined}
          >
            {words}
            <IconChevronDown size={14} aria-hidden />
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          {EVERY.map((seconds) => (
            <Menu.Item
              key={seconds}
              leftSection={<IconCheck size={14} aria-hidden visibility={every === seconds ? 'visible' : 'hidden'} />}
              onClick={() => change({ every: seconds === 15 ? undefined : String(seconds) })}
            >
              Every {seconds < 60 ? `${seconds} seconds` : 'minute'}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <button
        type="button"
        className="control icon"
        aria-pressed={every === 0}
        aria-label={every === 0 ? 'Resume refreshing' : 'Pause refreshing'}
        title={every === 0 ? 'Resume (p)' : 'Pause (p)'}
        onClick={onPause}
      >
        {every === 0 ? <IconPlayerPlay size={16} aria-hidden /> : <IconPlayerPause size={16} aria-hidden />}
      </button>
    </div>
  );
}

export function RangeMenu() {
  const range = useRange();
  const [, change] = useAddress();
  const zone = useZone();
  const tick = (on: boolean) => <IconCheck size={14} aria-hidden visibility={on ? 'visible' : 'hidden'} />;
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <button type="button" className="control" aria-label={`Time range: ${range.label}`}>
          <IconClock size={16} aria-hidden />
          {range.label}
          <IconChevronDown size={14} aria-hidden />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Charts show the last</Menu.Label>
        {RANGES.map((each) => (
          <Menu.Item
            key={each.id}
            leftSection={tick(each.id === range.id)}
            onClick={() => change({ t: each.id === '1h' ? undefined : each.id })}
          >
            {each.label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Label>Times are in</Menu.Label>
        <Menu.Item leftSection={tick(zone === 'local')} onClick={() => change({ tz: undefined })}>
          {Intl.DateTimeFormat().resolvedOptions().timeZone} (yours)
        </Menu.Item>
        <Menu.Item leftSection={tick(zone === 'utc')} onClick={() => change({ tz: 'utc' })}>
          UTC
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

export function SchemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const schemes = [
    ['light', 'Light', IconSun],
    ['dark', 'Dark', IconMoon],
    ['auto', 'As the system', IconDeviceDesktop],
  ] as const;
  const Icon = schemes.find(([id]) => id === colorScheme)?.[2] ?? IconSun;
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <button type="button" className="control icon" aria-label="Colours" title="Colours">
          <Icon size={16} aria-hidden />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {schemes.map(([id, label, Each]) => (
          <Menu.Item
            key={id}
            leftSection={<Each size={15} aria-hidden />}
            rightSection={id === colorScheme ? <IconCheck size={14} aria-label="chosen" /> : null}
            onClick={() => setColorScheme(id)}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
