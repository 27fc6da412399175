import { IconChevronDown, IconKeyboard, IconMenu2, IconSearch } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { useFleet, useTarget } from '../api/queries';
import { useAddress, useEvery } from '../lib/address';
import { watchHolds } from '../lib/hold';
import { GO } from '../lib/keys';
import { kept, RANGES, rangeOf } from '../lib/search';
import { visible } from '../lib/visible';
import { Nav, NavFoot } from './Navigation';
import { NAV_ITEMS } from './nav';
import type { Overlay } from './Overlays';
import { RangeMenu, RefreshControls, SchemeMenu } from './ShellMenus';

const importOverlays = () => import('./Overlays');
const Overlays = lazy(importOverlays);

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

/** Whether a key belongs to what has the focus: to a text, or to what has opened over the page. */
function taken(event: KeyboardEvent): boolean {
  const target = event.target;
  return (
    event.defaultPrevented ||
    (target instanceof HTMLElement &&
      (target.isContentEditable ||
        /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
        target.closest('[role=dialog], [role=menu]') !== null))
  );
}

export function Shell() {
  const [search, change] = useAddress();
  const [open, setOpen] = useState<Overlay>();
  const [overlays, setOverlays] = useState(false);
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

  const show = useCallback((what: Overlay) => {
    setOverlays(true);
    setOpen(what);
  }, []);
  const close = useCallback(() => setOpen(undefined), []);

  useEffect(watchHolds, []);

  useEffect(() => {
    const timer = setTimeout(() => void importOverlays().then(() => setOverlays(true)), 3000);
    return () => clearTimeout(timer);
  }, []);

  useEffect(() => {
    const page =
      path === '/'
        ? 'Overview'
        : (NAV_ITEMS.find((item) => item.to !== '/' && path.startsWith(item.to))?.label ?? 'pgmon');
    document.title = [page, name && visible(name), 'pgmon']
      .filter((part) => part !== undefined && part !== '')
      .join(' · ');
  }, [path, name]);

  const refresh = () => void client.invalidateQueries();
  const pause = () => change({ every: every === 0 ? undefined : 'off' });

  useEffect(() => {
    let went = 0;
    const range = (step: number) => {
      const next = RANGES[RANGES.indexOf(rangeOf(search)) + step];
      if (next !== undefined) change({ t: next.id === '1h' ? undefined : next.id });
    };
    const actions: Record<string, () => void> = {
      '/': () => show('finder'),
      '?': () => show('help'),
      r: () => void client.invalidateQueries(),
      p: () => change({ every: every === 0 ? undefined : 'off' }),
      '[': () => range(-1),
      ']': () => range(1),
    };
    const onKey = (event: KeyboardEvent) => {
      if (taken(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      const to = Date.now() - went < 1500 ? GO[event.key] : undefined;
      const action = actions[event.key];
      went = to === undefined && event.key === 'g' ? Date.now() : 0;
      if (to !== undefined) void navigate({ to, search: kept(search) } as never);
      else if (action !== undefined) action();
      else if (went === 0) return;
      event.preventDefault();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [navigate, search, client, change, every, show]);

  return (
    <>
      <a className="skip" href="#main">
        To the content
      </a>
      <div className="shell">
        <aside className="side fixed" aria-label="Navigation">
          <Brand />
          <Nav />
          <NavFoot />
        </aside>
        <div>
          <header className="top">
            <button
              type="button"
              className="control icon only-small"
              aria-label="Pages"
              aria-expanded={open === 'menu'}
              onClick={() => show('menu')}
            >
              <IconMenu2 size={17} aria-hidden />
            </button>
            <button
              type="button"
              className="control picker"
              onClick={() => show('finder')}
              title="Choose a database, or search (/)"
            >
              <IconSearch size={16} aria-hidden />
              <span className="picker-name">
                {name === undefined
                  ? 'All databases'
                  : visible(`${cluster === undefined ? '' : `${cluster} / `}${name}`)}
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
                onClick={() => show('help')}
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
      {/* Loaded when the page is at rest, or at the first use. */}
      {overlays ? (
        <Suspense>
          <Overlays open={open} onClose={close} />
        </Suspense>
      ) : null}
    </>
  );
}
