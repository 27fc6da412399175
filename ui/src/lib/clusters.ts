/** What there is to say of clusters: see docs/clusters.md. What is not known is said to be so, and never good. */

import type { ClusterMember, ClusterModel, ClusterView, Level, Verdict } from '../api/types';
import { LEVEL_ORDER, worst } from '../components/Level';
import { unique } from './columns';
import { formatBytes, formatDuration } from './format';
import { sentence } from './visible';
import { counted } from './words';

export const MANAGERS: Record<ClusterView['manager'], string> = {
  manatee: 'Manatee',
  patroni: 'Patroni',
  streaming: 'Streaming replication',
};

export const ROLES: Record<ClusterMember['role'], string> = {
  primary: 'Primary',
  standby_leader: 'Standby leader',
  sync: 'Sync',
  quorum: 'Quorum',
  async: 'Async',
  cascade: 'Cascade',
  witness: 'Witness',
  deposed: 'Deposed',
  fenced: 'Fenced',
  unknown: 'Role unknown',
};

/** Two managers may have a cluster of the same name. */
export function keyOf({ manager, name }: { manager: string; name: string }): string {
  return `${manager}/${name}`;
}

/** For ids in the page and names in the address: letters, digits and hyphens, no two alike. */
export function slugsOf(keys: readonly string[]): Map<string, string> {
  const slugs = new Map<string, string>();
  const taken = new Set<string>();
  for (const key of keys) {
    const base = key.replaceAll(/[^A-Za-z0-9]+/g, '-').replaceAll(/^-|-$/g, '') || 'cluster';
    let slug = base;
    for (let n = 2; taken.has(slug); n += 1) slug = `${base}-${n}`;
    taken.add(slug);
    slugs.set(key, slug);
  }
  return slugs;
}

/** What all of them come to. */
export function verdictOf(clusters: readonly Pick<ClusterView, 'name' | 'level' | 'verdict'>[]): Verdict {
  const level = worst(clusters.map((cluster) => cluster.level));
  const bad = clusters.filter((cluster) => cluster.level !== 'ok');
  const first = [...clusters].sort((a, b) => LEVEL_ORDER[b.level] - LEVEL_ORDER[a.level])[0];
  if (first === undefined) return { level: 'unknown', sentence: 'No cluster is configured.' };
  const said = `${first.name}: ${first.verdict}`;
  if (clusters.length === 1) return { level, sentence: sentence(said) };
  if (bad.length === 0) return { level, sentence: `All ${clusters.length} clusters are well.` };
  const need = bad.length === 1 ? 'needs' : 'need';
  return {
    level,
    sentence: sentence(`${bad.length} of ${counted(clusters.length, 'cluster')} ${need} somebody. ${said}`),
  };
}

/** What people call a member. */
export function calledOf({ id, name }: Pick<ClusterMember, 'id' | 'name'>): string {
  return name === null || name === '' ? id : name;
}

export interface TopologyNode {
  /** Its id, which of a broken state may be there twice. */
  key: string;
  member: ClusterMember;
  /** Whom it replicates from, if that is no member of the cluster. */
  outside: string | null;
  below: TopologyNode[];
}

/** These take no part, even if something is known of them. */
const APART: ReadonlySet<ClusterMember['role']> = new Set(['deposed', 'fenced', 'witness', 'unknown']);

/** Who replicates from whom, the one that leads first; and those that take no part. */
export function topologyOf(members: readonly ClusterMember[]): {
  roots: TopologyNode[];
  apart: TopologyNode[];
  /** Hops of the longest chain. */
  depth: number;
} {
  const keys = unique(members.map(({ id }) => id));
  const keyFor = (member: ClusterMember) => keys[members.indexOf(member)] ?? member.id;
  const left = members.filter(({ role, upstream }) => APART.has(role) && (upstream === null || role !== 'unknown'));
  const parts = members.filter((member) => !left.includes(member));
  const known = new Set(parts.map(({ id }) => id));
  const placed = new Set<ClusterMember>();
  let depth = 0;
  const place = (member: ClusterMember, at: number): TopologyNode => {
    placed.add(member);
    depth = Math.max(depth, at);
    const below = parts.flatMap((each) =>
      each.upstream === member.id && !placed.has(each) ? [place(each, at + 1)] : [],
    );
    const outside = member.upstream !== null && !known.has(member.upstream) ? member.upstream : null;
    return { key: keyFor(member), member, outside, below };
  };
  const roots = parts.flatMap((member) =>
    (member.upstream === null || !known.has(member.upstream)) && !placed.has(member) ? [place(member, 0)] : [],
  );
  // What is left hangs in a circle: it begins at its first member.
  for (const member of parts) if (!placed.has(member)) roots.push(place(member, 0));
  const apart = left.map((member) => ({ key: keyFor(member), member, outside: null, below: [] }));
  return { roots, apart, depth };
}

/** How bad it is about one member; what is wrong with it says an issue, if there is one. */
export function memberLevel(member: ClusterMember, issues: ClusterModel['issues']): Level {
  const own = issues
    .filter(({ peer }) => peer === member.id)
    .map(({ severity }): Level => (severity === 'error' ? 'crit' : 'warn'));
  if (member.reachable === false) own.push(reachLevel(member));
  if (own.length > 0) return worst(own);
  if (member.role === 'deposed' || member.role === 'fenced') return 'warn';
  return member.reachable === null || member.role === 'unknown' ? 'unknown' : 'ok';
}

export function reachedText(reachable: unknown): string {
  return reachable === true ? 'answers' : reachable === false ? 'does not answer' : 'not asked';
}

/** How bad it is about the way to a member. */
export function hopLevel({ replication_state: state }: ClusterMember): Level {
  if (state === null) return 'unknown';
  if (state === 'streaming') return 'ok';
  return state === 'none' ? 'crit' : 'warn';
}

/** How it replicates: `sync, streaming`. */
export function hopText({ replication_state: state, sync_state: sync }: ClusterMember): string {
  if (state === 'none') return 'not connected';
  const parts = [sync, state].filter((part) => part !== null && part !== '');
  return parts.length === 0 ? 'replication unknown' : parts.join(', ');
}

/** `lag 2m 5s, 12.1 MiB`; of what is not known nothing is said, and of nothing that it is unknown. */
export function lagText({
  lag_seconds: seconds,
  lag_bytes: bytes,
}: {
  lag_seconds: number | null;
  lag_bytes: number | null;
}): string {
  if (seconds === 0 && (bytes === 0 || bytes === null)) return 'no lag';
  const parts = [
    seconds === null ? undefined : formatDuration(seconds),
    bytes === null ? undefined : formatBytes(bytes),
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? 'lag unknown' : `lag ${parts.join(', ')}`;
}

/** Whether its PostgreSQL answers; of who takes no part less hangs on it. */
export function reachLevel({ reachable, role }: Pick<ClusterMember, 'reachable' | 'role'>): Level {
  if (reachable === null) return 'unknown';
  return reachable ? 'ok' : role === 'deposed' ? 'warn' : 'crit';
}

/** Whether PostgreSQL should be a standby in a role; of the others either is right. */
const RECOVERS: Partial<Record<ClusterMember['role'], boolean>> = {
  primary: false,
  standby_leader: true,
  sync: true,
  quorum: true,
  async: true,
  cascade: true,
};

/** What does not fit together, or is yet to come. */
export function notesOf(
  member: ClusterMember,
  { timeline, issues }: Pick<ClusterModel, 'timeline' | 'issues'>,
): { text: string; level: Level }[] {
  const notes: { text: string; level: Level }[] = [];
  const note = (level: Level, text: string) => notes.push({ level, text });
  const own = issues.filter(({ peer }) => peer === member.id);
  if (own.length > 0)
    note(own.some(({ severity }) => severity === 'error') ? 'crit' : 'warn', counted(own.length, 'issue'));
  const recovery = RECOVERS[member.role];
  if (recovery !== undefined && member.in_recovery !== null && member.in_recovery !== recovery)
    note('crit', member.in_recovery ? 'PostgreSQL says: standby' : 'PostgreSQL says: takes writes');
  if (member.role !== 'deposed' && member.timeline !== null && timeline !== null && member.timeline !== timeline)
    note('warn', `on timeline ${member.timeline}, not ${timeline}`);
  if (member.registered === false) note('warn', 'the manager does not hear of it');
  if (member.desired_role !== null && member.desired_role !== member.role)
    note('unknown', `to become ${ROLES[member.desired_role].toLowerCase()}`);
  if (member.pending_restart === true) note('unknown', 'restart pending');
  return notes;
}

/** The worst lag of a cluster; what is not known makes it unknown only if nothing is. */
export function worstLag(members: readonly ClusterMember[]): { lag_seconds: number | null; lag_bytes: number | null } {
  const most = (values: (number | null)[]) => {
    const known = values.filter((value): value is number => value !== null);
    return known.length === 0 ? null : Math.max(...known);
  };
  const behind = members.filter(({ upstream }) => upstream !== null);
  return {
    lag_seconds: most(behind.map((member) => member.lag_seconds)),
    lag_bytes: most(behind.map((member) => member.lag_bytes)),
  };
}

export interface Change {
  at: string | null;
  kind: 'failover' | 'generation' | 'timeline' | 'change';
  from: string | null;
  to: string | null;
  generation: number | null;
  timeline: number | null;
  sync: string | null;
  lsn: string | null;
  what: string;
}

/** What happened, the newest first, each with who was the primary before. */
export function changesOf(history: ClusterModel['history']): Change[] {
  return history.map((entry, i) => {
    const before = history[i + 1];
    const from = history.slice(i + 1).find(({ primary }) => primary !== null)?.primary ?? null;
    const other = (name: 'generation' | 'timeline') =>
      before !== undefined && entry[name] !== null && entry[name] !== before[name];
    const kind = entry.failover
      ? 'failover'
      : other('generation')
        ? 'generation'
        : other('timeline')
          ? 'timeline'
          : 'change';
    const { at, primary: to, generation, timeline, sync, lsn, what } = entry;
    return { at, kind, from: from === to ? null : from, to, generation, timeline, sync, lsn, what };
  });
}

/** What a manager calls it that nothing is failed over. */
export function pausedWord(manager: ClusterView['manager']): string {
  return manager === 'manatee' ? 'Frozen' : 'Paused';
}

/** How many are how bad. */
export function countsOf(clusters: readonly Pick<ClusterView, 'level'>[]) {
  const count = (level: Level) => clusters.filter((cluster) => cluster.level === level).length;
  return { all: clusters.length, crit: count('crit'), warn: count('warn'), unknown: count('unknown'), ok: count('ok') };
}

/** A row of the table of all. */
export function rowOf(view: ClusterView) {
  const { cluster, name, level, verdict, manager, failovers, age_seconds, source, read_errors, state } = view;
  return {
    key: keyOf(view),
    name,
    level,
    verdict,
    manager,
    leader: cluster?.leader ?? null,
    members: cluster?.members.length ?? null,
    ...worstLag(cluster?.members ?? []),
    generation: cluster?.generation ?? null,
    timeline: cluster?.timeline ?? null,
    paused: cluster === null ? null : cluster.paused !== null,
    failovers,
    age_seconds,
    state,
    read_errors,
    source,
  };
}
