import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';
import { everyOf, rangeOf, type Search } from './search';

/** The address's parameters, and a way to change some of them; `undefined` takes one away. */
export function useAddress(): [Search, (change: Record<string, string | undefined>) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const change = useCallback(
    (changes: Record<string, string | undefined>) => {
      void navigate({
        to: '.',
        search: (before: Record<string, unknown>) => ({ ...before, ...changes }),
        replace: true,
        resetScroll: false,
      } as never);
    },
    [navigate],
  );
  return [search, change];
}

export function useRange() {
  return rangeOf(useAddress()[0]);
}

export function useEvery(): number {
  return everyOf(useAddress()[0]);
}

export function useZone(): 'local' | 'utc' {
  return useAddress()[0].tz === 'utc' ? 'utc' : 'local';
}
