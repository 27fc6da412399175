import { IconLogout } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { baseUrl } from '../api/base';
import { useAnswer, useChosen, useClusters, useFleet, usePage, useServices, useTarget } from '../api/queries';
import type { GenericPage, Level } from '../api/types';
import { useAddress } from '../lib/address';
import { verdictOf } from '../lib/clusters';
import { levelsOf } from '../lib/levels';
import { kept } from '../lib/search';
import { LevelTag } from './Level';
import { NAV } from './nav';

function useLevels(): Record<string, Level> {
  const fleet = useFleet();
  const overview = usePage('overview');
  const target = useTarget();
  const chosen = useChosen() === 'yes';
  // The overview does not judge the agent. Its own page does; one short panel of it is enough, once the rest is here.
  const agent = useAnswer<GenericPage>(
    'collectors',
    { ...target, panel: 'loops', limit: '1' },
    chosen && overview.data !== undefined,
  );
  // Whoever has none of them configured has no mark.
  const services = useServices({ limit: '1' }, fleet.data !== undefined).data?.data;
  const clusters = useClusters(fleet.data !== undefined).data?.data.clusters;
  return levelsOf(overview.data?.data.panels.pages?.rows ?? [], [
    ['targets', fleet.data?.data.verdict.level],
    ['services', services === undefined || services.counts.all === 0 ? undefined : services.verdict.level],
    ['clusters', clusters === undefined || clusters.length === 0 ? undefined : verdictOf(clusters).level],
    ['overview', overview.data?.data.verdict.level],
    ['collectors', agent.data?.data.verdict.level],
  ]);
}

export function Nav({ onGo }: { onGo?: () => void }) {
  const [search] = useAddress();
  const levels = useLevels();
  return (
    <nav aria-label="Pages">
      {NAV.map((group) => (
        <div key={group.group}>
          <p className="nav-group">{group.group}</p>
          <ul>
            {group.items.map((item) => {
              const level = levels[item.to];
              return (
                <li key={item.to}>
                  <Link
                    className="nav-link"
                    to={item.to}
                    search={kept(search)}
                    title={`g ${item.key}`}
                    activeOptions={{ exact: item.to === '/', includeSearch: false }}
                    {...(onGo === undefined ? {} : { onClick: onGo })}
                  >
                    <item.icon size={17} aria-hidden />
                    {item.label}
                    {level === undefined ? null : (
                      <span className={`end end-${level}`}>
                        <LevelTag level={level} bare />
                      </span>
                    )}
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

/** Whether somebody has logged in by the form: where there is none, its address leads elsewhere. */
function useLoginForm(enabled: boolean): boolean {
  const { data } = useQuery({
    queryKey: ['login'],
    queryFn: async ({ signal }) => {
      const answer = await fetch(new URL('login', baseUrl()), {
        signal,
        redirect: 'manual',
        headers: { accept: 'text/html' },
      });
      return answer.ok && (await answer.text()).includes('action="login"');
    },
    enabled,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  return data === true;
}

/** What stands below the navigation: the version, and the way out. */
export function NavFoot() {
  const fleet = useFleet();
  const login = useLoginForm(fleet.data !== undefined);
  return (
    <div className="side-foot">
      {login ? (
        <form method="post" action="logout">
          <button type="submit" className="control small log-out">
            <IconLogout size={15} aria-hidden />
            Log out
          </button>
        </form>
      ) : null}
      <p>{fleet.data === undefined ? 'pgmon' : `pgmon ${fleet.data.data.pgmon_version}`}</p>
      <p>Reads only; runs nothing.</p>
    </div>
  );
}
