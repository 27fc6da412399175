/** The API's types by the names that the pages use. */

export type Level = 'ok' | 'unknown' | 'warn' | 'crit';
export type State = 'ok' | 'degraded' | 'stale' | 'pending' | 'unsupported' | 'error';

export interface Need {
  needs: string;
  effect: string;
  remedy: string | null;
  collector: string;
}

export interface Executed {
  collector: string;
  datname: string | null;
  sql: string;
  pg_major: number;
  started_at: string;
  duration_ms: number;
  rows: number;
}

export interface Answer<T> {
  state: State;
  reason: string | null;
  as_of: string;
  age_seconds: number | null;
  needs: Need[];
  data: T;
  executed: Executed[];
}

export type UpState = 'pending' | 'up' | 'down' | 'refused';
export type Role = 'primary' | 'standby' | 'unknown';
export type Row = Record<string, unknown>;

export interface Verdict {
  level: Level;
  sentence: string;
}

export interface Remedy {
  sql: string;
  lock: string;
  risk: string;
}

export interface Problem {
  id: string;
  level: Level;
  title: string;
  since: string | null;
  evidence: string;
  object: string | null;
  page: string;
  remedy: Remedy | null;
}

export interface Thresholds {
  warn: number | null;
  crit: number | null;
  below: boolean;
}

export interface MetricRef {
  metric: string;
  labels: Record<string, string>;
  counter: boolean;
}

export interface Figure {
  id: string;
  label: string;
  value: number | null;
  of: number | null;
  unit: string;
  level: Level;
  thresholds: Thresholds | null;
  history: MetricRef | null;
  note: string | null;
  stats_reset_age_seconds: number | null;
}

export interface Panel {
  title: string;
  state: State;
  reason: string | null;
  needs: Need[];
  age_seconds: number | null;
  collectors: string[];
  stats_reset_age_seconds: number | null;
  note: string | null;
  empty: string | null;
  rows: Row[] | null;
}

export interface TargetRef {
  cluster: string;
  db: string;
  datname: string | null;
  datnames: string[];
  up: UpState;
  reason: string | null;
  since: string;
  role: Role;
  version: string | null;
  started_at: string | null;
}

export interface GenericPage {
  target: TargetRef;
  verdict: Verdict;
  problems: Problem[];
  figures: Figure[];
  panels: Record<string, Panel>;
}

export interface Target {
  cluster: string;
  db: string;
  level: Level;
  sentence: string;
  crit: number;
  warn: number;
  up: UpState;
  reason: string | null;
  since: string;
  role: Role;
  version: string | null;
  datname: string | null;
  visited: string[];
  server: string | null;
  system_identifier: string | null;
  started_at: string | null;
  age_seconds: number | null;
  transactions_per_second: number | null;
  connections: number | null;
  max_connections: number | null;
  connections_ratio: number | null;
  longest_transaction_seconds: number | null;
  blocked_sessions: number | null;
  replication_lag_seconds: number | null;
  wraparound_ratio: number | null;
  size_bytes: number | null;
  cache_hit_ratio: number | null;
  transactions_history?: (number | null)[];
  connections_history?: (number | null)[];
}

export interface Fleet {
  verdict: Verdict;
  counts: Record<Level | 'all', number>;
  pgmon_version: string;
  configuration_failure: string | null;
  targets: Target[];
}

export interface Series {
  labels: Record<string, string>;
  min: (number | null)[];
  max: (number | null)[];
  mean: (number | null)[];
}

export interface History {
  metric: string;
  kind: string | null;
  help: string | null;
  rate: boolean;
  from: string;
  to: string;
  step_seconds: number;
  unix_seconds: number[];
  series: Series[];
  left_out: number;
}

export interface LockNode extends Row {
  id: string;
  parent: string | null;
}

export interface ReplicationNode {
  id: string;
  parent: string | null;
  name: string;
  cluster: string | null;
  db: string | null;
  this: boolean;
  role: Role;
  kind: string | null;
  state: string | null;
  sync_state: string | null;
  lag_bytes: number | null;
  lag_seconds: number | null;
  level: Level;
}

export interface CollectorData {
  name: string;
  title: string;
  loop: string;
  datname: string | null;
  state: State;
  reason: string | null;
  needs: Need[];
  metrics: { name: string; kind: string; help: string; labels: string[] }[];
  tables: {
    name: string;
    description: string | null;
    columns: { name: string; description: string | null; kind: string }[];
    rows: unknown[][];
  }[];
}
