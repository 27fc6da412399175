import { Drawer, Kbd, Menu, Modal, useMantineColorScheme } from '@mantine/core';
import {
  IconCheck,
  IconChevronDown,
  IconClock,
  IconDeviceDesktop,
  IconKeyboard,
  IconMenu2,
  IconMoon,
  IconPlayerPause,
  IconPlayerPlay,
  IconRefresh,
  IconSearch,
  IconSun,
} from '@tabler/icons-react';
import { useIsFetching, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useFleet, usePage, useTarget } from '../api/queries';
import type { Level } from '../api/types';
import { useAddress, useEvery, useRange, useZone } from '../lib/address';
import { useHeld, watchHolds } from '../lib/hold';
import { EVERY, kept, RANGES } from '../lib/search';
import { Finder } from './Finder';
import { LevelTag } from './Level';
import { NAV, pageOf } from './nav';

function Levels() {
  const page = usePage('overview');
  const levels: Record<string, Level> = {};
  const rows = page.data?.data.panels.pages?.rows ?? [];
  for (const row of rows) {
    const item = pageOf(String(row.page));
    const level = row.level as Level;
    if (item !== undefined && (level === 'crit' || (level === 'warn' && levels[item.to] !== 'crit')))
      levels[item.to] = level;
  }
  return levels;
}

function Nav({ onGo }: { onGo?: () => void }) {
  const [search] = useAddress();
  const fleet = useFleet();
  const levels = Levels();
  return (
    <nav aria-label="Pages">
      {NAV.map((group) => (
        <div key={group.group}>
          <p className="nav-group">{group.group}</p>
          <ul>
            {group.items.map((item) => {
              const level = item.to === '/fleet' ? fleet.data?.data.verdict.level : levels[item.to];
              return (
                <li key={item.to}>
                  <Link
                    className="nav-link"
                    to={item.to}
                    search={kept(search)}
                    activeOptions={{ exact: item.to === '/', includeSearch: false }}
                    {...(onGo === undefined ? {} : { onClick: onGo })}
                  >
                    <item.icon size={17} aria-hidden />
                    {item.label}
                    {level === 'crit' || level === 'warn' ? (
                      <span className="end">
                        <LevelTag level={level} bare />
                      </span>
                    ) : null}
                  </Link>
                </li>
              );
            })}
          </ul>
        </div>
      ))}
    </nav>
  );
}

function Brand() {
  const [search] = useAddress();
  return (
    <Link className="brand" to="/fleet" search={kept(search)}>
      <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="7" fill="#2b5fd9" />
        <path
          d="M5 17h5l3-8 5 15 4-10 2 3h3"
          fill="none"
          stroke="#fff"
          strokeWidth="2.6"
          strokeLinecap="round"
          strokeLinejoin="round"
        />
      </svg>
      pgmon
    </Link>
  );
}

function RefreshControls({ onRefresh, onPause }: { onRefresh: () => void; onPause: () => void }) {
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

function RangeMenu() {
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

function SchemeMenu() {
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

const KEYS: readonly [string, string][] = [
  ['/', 'Search pages, databases, statements'],
  ['r', 'Refresh now'],
  ['p', 'Pause and resume refreshing'],
  ['g then o', 'Go to Overview'],
  ['g then f', 'Go to Fleet'],
  ['g then l', 'Go to Activity & Locks'],
  ['g then q', 'Go to Top Queries'],
  ['?', 'This list'],
  ['Esc', 'Close what is open'],
  ['Arrows', 'On a chart: move along it'],
];

const GO: Record<string, string> = { o: '/', f: '/fleet', l: '/activity', q: '/queries' };

function typing(event: KeyboardEvent): boolean {
  const target = event.target;
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

export function Shell() {
  const [search, change] = useAddress();
  const [menu, setMenu] = useState(false);
  const [finder, setFinder] = useState(false);
  const [help, setHelp] = useState(false);
  const client = useQueryClient();
  const navigate = useNavigate();
  const target = useTarget();
  const fleet = useFleet();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const every = useEvery();
  const targets = fleet.data?.data.targets ?? [];
  const one = targets.length === 1 ? targets[0] : targets.find((each) => each.db === target.db);
  const name = target.db ?? one?.db;
  const cluster = target.cluster ?? one?.cluster;

  useEffect(watchHolds, []);

  useEffect(() => {
    const page =
      path === '/'
        ? 'Overview'
        : (NAV.flatMap((group) => group.items).find((item) => item.to !== '/' && path.startsWith(item.to))?.label ??
          'pgmon');
    document.title = [page, name, 'pgmon'].filter((part) => part !== undefined && part !== '').join(' · ');
  }, [path, name]);

  const refresh = () => void client.invalidateQueries();
  const pause = () => change({ every: every === 0 ? undefined : 'off' });

  useEffect(() => {
    let went = 0;
    const onKey = (event: KeyboardEvent) => {
      if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      const to = Date.now() - went < 1500 ? GO[event.key] : undefined;
      went = 0;
      if (to !== undefined) void navigate({ to, search: kept(search) } as never);
      else if (event.key === 'g') went = Date.now();
      else if (event.key === '/') setFinder(true);
      else if (event.key === '?') setHelp(true);
      else if (event.key === 'r') void client.invalidateQueries();
      else if (event.key === 'p') change({ every: every === 0 ? undefined : 'off' });
      else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [navigate, search, client, change, every]);

  return (
    <>
      <a className="skip" href="#main">
        To the content
      </a>
      <div className="shell">
        <aside className="side fixed" aria-label="Navigation">
          <Brand />
          <Nav />
          <p className="side-foot">
            {fleet.data === undefined ? 'pgmon' : `pgmon ${fleet.data.data.pgmon_version}`}
            <br />
            Reads only; runs nothing.
          </p>
        </aside>
        <div>
          <header className="top">
            <button
              type="button"
              className="control icon only-small"
              aria-label="Pages"
              aria-expanded={menu}
              onClick={() => setMenu(true)}
            >
              <IconMenu2 size={17} aria-hidden />
            </button>
            <button
              type="button"
              className="control picker"
              onClick={() => setFinder(true)}
              title="Choose a database, or search (/)"
            >
              <IconSearch size={16} aria-hidden />
              <span className="picker-name">
                {name === undefined ? 'All databases' : `${cluster === undefined ? '' : `${cluster} / `}${name}`}
              </span>
              <IconChevronDown size={14} aria-hidden />
            </button>
            <div className="top-controls push">
              <RangeMenu />
              <RefreshControls onRefresh={refresh} onPause={pause} />
              <SchemeMenu />
              <button
                type="button"
                className="control icon only-wide"
                aria-label="Keys"
                title="Keys (?)"
                onClick={() => setHelp(true)}
              >
                <IconKeyboard size={16} aria-hidden />
              </button>
            </div>
          </header>
          <main className="main" id="main" tabIndex={-1}>
            <Outlet />
          </main>
        </div>
      </div>
      <Drawer
        opened={menu}
        onClose={() => setMenu(false)}
        size="16rem"
        title="pgmon"
        lockScroll={false}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Nav onGo={() => setMenu(false)} />
      </Drawer>
      <Modal
        opened={finder}
        onClose={() => setFinder(false)}
        title="Search"
        lockScroll={false}
        size="lg"
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Finder onDone={() => setFinder(false)} />
      </Modal>
      <Modal
        opened={help}
        onClose={() => setHelp(false)}
        title="Keys"
        lockScroll={false}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <dl className="keys">
          {KEYS.map(([key, what]) => (
            <div key={key} className="keys-row">
              <dt>
                <Kbd>{key}</Kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      </Modal>
    </>
  );
}
