import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent } from '@tanstack/react-router';
import { baseUrl } from './api/base';
import { NAV_ITEMS } from './components/nav';
import { PageHead } from './components/Page';
import { Failure } from './components/Panel';
import { Shell } from './components/Shell';
import { parseSearch, type Search, stringifySearch } from './lib/search';

const root = createRootRoute({
  component: Shell,
  validateSearch: (search: Record<string, unknown>): Search => search as Search,
  notFoundComponent: () => (
    <>
      <PageHead title="No such page" question="" />
      <Failure title="There is no page at this address" hint="It may be of another version of pgmon. These are:">
        <ul className="choices">
          {NAV_ITEMS.map(({ to, label, question }) => (
            <li key={to}>
              <Link className="choice" to={to}>
                {label}
                <span className="push">{question}</span>
              </Link>
            </li>
          ))}
        </ul>
      </Failure>
    </>
  ),
  errorComponent: ({ error }) => (
    <Failure
      title="This page has failed"
      hint={`It is a fault of pgmon: ${error instanceof Error ? error.message : String(error)}. Other pages go on; reload to try again.`}
    />
  ),
});

const page = (path: string, load: () => Promise<{ default: () => React.ReactNode }>) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) });

const routes = [
  page('/', () => import('./pages/Overview')),
  page('/fleet', () => import('./pages/FleetPage')),
  page('/clusters', () => import('./pages/Clusters')),
  page('/services', () => import('./pages/Services')),
  page('/activity', () => import('./pages/Activity')),
  page('/queries', () => import('./pages/Queries')),
  page('/queries/$queryid', () => import('./pages/Statement')),
  page('/autovacuum', () => import('./pages/Autovacuum')),
  page('/storage', () => import('./pages/Storage')),
  page('/partitions', () => import('./pages/Partitions')),
  page('/replication', () => import('./pages/Replication')),
  page('/wraparound', () => import('./pages/Wraparound')),
  page('/io', () => import('./pages/Io')),
  page('/settings', () => import('./pages/Settings')),
  page('/agent', () => import('./pages/Agent')),
  page('/collectors/$name', () => import('./pages/Collector')),
];

export const router = createRouter({
  routeTree: root.addChildren(routes),
  basepath: baseUrl().pathname.replace(/\/$/, '') || '/',
  parseSearch,
  stringifySearch,
  defaultPreload: 'intent',
  scrollRestoration: false,
});
