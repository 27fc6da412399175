import { keepPreviousData, type UseQueryResult, useQuery } from '@tanstack/react-query';
import { useAddress, useEvery, useRange } from '../lib/address';
import { useHeld } from '../lib/hold';
import { readable } from '../lib/visible';
import { ApiFailure, get, type Query } from './client';
import type { Answer, ClusterDetail, Clusters, Fleet, GenericPage, History, MetricRef, Services } from './types';

/** How often to ask again; `false` while paused or held. */
export function useInterval(): number | false {
  const every = useEvery();
  const held = useHeld();
  return every === 0 || held ? false : every * 1000;
}

export function useTarget(): Query {
  const [search] = useAddress();
  return { cluster: search.cluster, db: search.db, datname: search.datname };
}

export function useAnswer<T>(path: string, params: Query, enabled = true): UseQueryResult<Answer<T>, Error> {
  const interval = useInterval();
  return useQuery({
    queryKey: [path, params],
    queryFn: async ({ signal }) => readable(await get<T>(path, params, signal)),
    refetchInterval: interval,
    enabled,
    // A page keeps what it shows while it asks again, but never another database's figures.
    placeholderData: (before, query) => {
      const last = query?.queryKey as [string, Query] | undefined;
      const same = last?.[0] === path && last[1].cluster === params.cluster && last[1].db === params.db;
      return same ? keepPreviousData(before) : undefined;
    },
  });
}

export function usePage(path: string): UseQueryResult<Answer<GenericPage>, Error> {
  return useAnswer<GenericPage>(path, useTarget(), useChosen() === 'yes');
}

/** Whether it is clear which database is meant; asking without that is an error. */
export function useChosen(): 'yes' | 'no' | 'waiting' {
  const { db } = useTarget();
  const fleet = useFleet();
  if (db !== undefined || fleet.isError) return 'yes';
  const targets = fleet.data?.data.targets;
  if (targets === undefined) return 'waiting';
  return targets.length === 1 ? 'yes' : 'no';
}

export function useFleet(sparklines = false): UseQueryResult<Answer<Fleet>, Error> {
  return useAnswer<Fleet>('targets', sparklines ? { sparklines: 'true' } : {});
}

/** With `limit`, so many rows; the verdict and the counts are those of all. */
export function useServices(params: Query = {}, enabled = true): UseQueryResult<Answer<Services>, Error> {
  return useAnswer<Services>('services', params, enabled);
}

export function useClusters(enabled = true): UseQueryResult<Answer<Clusters>, Error> {
  return useAnswer<Clusters>('clusters', {}, enabled);
}

/** One of them, with the state as it was read. */
export function useCluster(
  { name, manager }: { name: string; manager: string },
  enabled: boolean,
): UseQueryResult<Answer<ClusterDetail>, Error> {
  return useAnswer<ClusterDetail>(`clusters/${encodeURIComponent(name)}`, { manager }, enabled);
}

export const POINTS = 180;

export function useHistory(ref: MetricRef | null | undefined): UseQueryResult<Answer<History>, Error> {
  const { cluster, db } = useTarget();
  const range = useRange();
  const every = useEvery();
  const held = useHeld();
  const chosen = useChosen();
  // A longer range moves slower.
  const pace = Math.max(every, range.seconds / POINTS);
  // A service has a history of its own, whatever database is chosen.
  const ofService = ref?.labels.service !== undefined;
  const target: Query = ofService ? {} : { cluster, db };
  const params: Query = { ...ref?.labels, ...target, from: `-${range.seconds}`, points: String(POINTS) };
  const path = `history/${encodeURIComponent(ref?.metric ?? '')}`;
  return useQuery({
    queryKey: [path, params],
    queryFn: ({ signal }) => get<History>(path, params, signal),
    enabled: ref !== null && ref !== undefined && (ofService || chosen === 'yes'),
    refetchInterval: every === 0 || held ? false : pace * 1000,
    retry: (count, error) => count < 2 && !(error instanceof ApiFailure && error.status < 500),
  });
}
