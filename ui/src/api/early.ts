/** What `src/boot/boot.js` has asked for before the program was here. */

import type { QueryClient } from '@tanstack/react-query';
import { baseUrl } from './base';

declare global {
  interface Window {
    /** By its address. */
    pgmonEarly?: Map<string, { at: number; answer: Promise<Response> }>;
  }
}

/** Good once, and only for a start. */
export function early(url: string): Promise<Response> | undefined {
  const found = window.pgmonEarly?.get(url);
  window.pgmonEarly?.delete(url);
  return found !== undefined && performance.now() - found.at < 10_000 ? found.answer : undefined;
}

/** The key of the query that asks for this address: see `useAnswer`. */
export function keyOf(url: string, base: string): [string, Record<string, string>] {
  const { pathname, searchParams } = new URL(url);
  return [pathname.slice(new URL('api/v1/', base).pathname.length), Object.fromEntries(searchParams)];
}

async function take(client: QueryClient, url: string, answer: Promise<Response>): Promise<void> {
  const response = await answer;
  // What is no answer is said where it is asked for.
  if (!response.ok) return;
  // A copy: if this takes too long, the query itself reads it.
  const data: unknown = await response.clone().json();
  if (window.pgmonEarly?.delete(url)) client.setQueryData(keyOf(url, baseUrl().href), data);
}

/** Puts into the cache what has come, and what comes soon. */
export async function seed(client: QueryClient): Promise<void> {
  const asked = window.pgmonEarly;
  const begun = new Set<string>();
  // The answer to one may lead to asking for others.
  for (;;) {
    const next = [...(asked ?? [])].filter(([url]) => !begun.has(url));
    if (next.length === 0) return;
    for (const [url] of next) begun.add(url);
    await Promise.all(next.map(([url, { answer }]) => take(client, url, answer).catch(() => {})));
  }
}
