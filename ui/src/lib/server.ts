/** What the head of a page says of the server and of watching it. */

import type { TargetRef } from '../api/types';
import { formatAge } from './format';

/** A server that is younger than this has something to explain: empty caches, counters that began anew. */
const YOUNG = 3600;

export interface ServerFacts {
  /** `started 6m 20s ago` */
  started: string | undefined;
  /** Whether that is news. */
  fresh: boolean;
  /** `watched for 2h 5m`, `down for 10 s` */
  watched: string;
}

/** The server's clock is not pgmon's. */
const SKEW = 5_000;

const first = new Map<string, string>();

/** Whether a server has another start than when this browser first looked at it. */
export function restartSeen({ cluster, db, started_at }: TargetRef): boolean {
  if (started_at === null) return false;
  const key = `${cluster}/${db}`;
  const before = first.get(key);
  if (before === undefined) first.set(key, started_at);
  // Of the same start some versions tell fractions that differ.
  return before !== undefined && Math.abs(Date.parse(before) - Date.parse(started_at)) > 1000;
}

/** A restart that was seen is called that: pgmon, or this browser (`again`), knew the server before it started. */
export function serverFacts(target: TargetRef, now: number, again = false): ServerFacts {
  const since = Date.parse(target.since);
  const began = target.started_at === null ? Number.NaN : Date.parse(target.started_at);
  const age = Math.max(0, (now - began) / 1000);
  const restarted = again || began > since + SKEW;
  const words = { up: 'watched for', down: 'down for', refused: 'refused for', pending: 'waiting for' }[target.up];
  return {
    // Of a server that does not answer nobody knows that it still runs.
    started:
      Number.isNaN(began) || target.up !== 'up'
        ? undefined
        : `${restarted ? 'restarted' : 'started'} ${formatAge(age)} ago`,
    fresh: !Number.isNaN(began) && target.up === 'up' && (age < YOUNG || restarted),
    watched: `${words} ${formatAge(Math.max(0, (now - since) / 1000))}`,
  };
}
