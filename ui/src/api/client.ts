import { baseUrl } from './base';
import { early } from './early';
import type { Answer } from './types';

/** An answer that is none. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly hint: string;
  readonly databases: { cluster: string; db: string }[];

  constructor(status: number, message: string, hint: string, databases: { cluster: string; db: string }[]) {
    super(message);
    this.status = status;
    this.hint = hint;
    this.databases = databases;
  }
}

export type Query = Record<string, string | undefined>;

function query(params: Query): string {
  const entries = Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const text = new URLSearchParams(entries).toString();
  return text === '' ? '' : `?${text}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function failure(response: Response): Promise<ApiFailure> {
  const body: unknown = await response.json().catch(() => undefined);
  const said = isRecord(body) ? body : {};
  const text = (value: unknown, otherwise: string) => (typeof value === 'string' ? value : otherwise);
  return new ApiFailure(
    response.status,
    text(said.error, `pgmon answered ${response.status}`),
    text(said.hint, ''),
    Array.isArray(said.databases) ? (said.databases as { cluster: string; db: string }[]) : [],
  );
}

export async function get<T>(path: string, params: Query, signal: AbortSignal): Promise<Answer<T>> {
  const url = new URL(`api/v1/${path}${query(params)}`, baseUrl());
  // The browser keeps the answer and asks with If-None-Match.
  const response =
    (await early(url.href)?.catch(() => undefined)) ??
    (await fetch(url, { signal, cache: 'no-cache', headers: { accept: 'application/json' } }));
  if (!response.ok) throw await failure(response);
  return (await response.json()) as Answer<T>;
}
