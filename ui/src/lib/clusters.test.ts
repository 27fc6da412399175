import { describe, expect, it } from 'vitest';
import type { ClusterMember, ClusterModel, ClusterView } from '../api/types';
import {
  calledOf,
  changesOf,
  countsOf,
  hopLevel,
  hopText,
  keyOf,
  lagText,
  memberLevel,
  notesOf,
  reachLevel,
  rowOf,
  slugsOf,
  type TopologyNode,
  topologyOf,
  verdictOf,
  worstLag,
} from './clusters';
import { clusterChoices } from './finder';

function member(id: string, role: ClusterMember['role'], more: Partial<ClusterMember> = {}): ClusterMember {
  return {
    id,
    name: null,
    address: null,
    role,
    desired_role: null,
    state: null,
    reachable: true,
    error: null,
    registered: null,
    in_recovery: null,
    system_identifier: null,
    timeline: null,
    position_bytes: null,
    lag_bytes: null,
    lag_seconds: null,
    upstream: null,
    replication_state: null,
    sync_state: null,
    pending_restart: null,
    store_seen: null,
    tags: [],
    ...more,
  };
}

function model(more: Partial<ClusterModel> = {}): ClusterModel {
  return {
    manager: 'manatee',
    name: 'moray',
    source: 'zk',
    generation: 3,
    timeline: 5,
    init_wal: null,
    paused: null,
    singleton: false,
    leader: 'a',
    locked: true,
    failsafe: null,
    pending: null,
    members: [],
    issues: [],
    history: [],
    ...more,
  };
}

function view(more: Partial<ClusterView> = {}): ClusterView {
  return {
    manager: 'manatee',
    name: 'moray',
    source: 'zk',
    level: 'ok',
    verdict: 'a leads.',
    state: 'ok',
    reason: null,
    read_at: null,
    age_seconds: 4,
    failovers: 0,
    read_errors: 0,
    cluster: model(),
    hops: [],
    ...more,
  };
}

const drawn = (nodes: readonly TopologyNode[]): string =>
  nodes.map(({ member: { id }, below }) => (below.length === 0 ? id : `${id}(${drawn(below)})`)).join(' ');

describe('the topology of a cluster', () => {
  it('is a chain, a fork, or both, and who takes no part stands apart', () => {
    const { roots, apart, depth } = topologyOf([
      member('a', 'primary'),
      member('b', 'sync', { upstream: 'a' }),
      member('c', 'async', { upstream: 'b' }),
      member('d', 'async', { upstream: 'a' }),
      member('x', 'deposed'),
      member('y', 'unknown'),
    ]);
    expect(drawn(roots)).toBe('a(b(c) d)');
    expect(apart.map(({ key }) => key)).toEqual(['x', 'y']);
    expect(depth).toBe(2);
  });

  it('shows who replicates in a circle, or from somebody else, once', () => {
    const circle = topologyOf([member('a', 'async', { upstream: 'b' }), member('b', 'async', { upstream: 'a' })]);
    expect(drawn(circle.roots)).toBe('a(b)');
    expect(drawn(topologyOf([member('a', 'async', { upstream: 'a' })]).roots)).toBe('a');
    const { roots } = topologyOf([
      member('a', 'standby_leader', { upstream: 'other' }),
      member('b', 'async', { upstream: 'a' }),
    ]);
    expect(roots.map(({ outside }) => outside)).toEqual(['other']);
    const twice = topologyOf([member('a', 'primary'), member('a', 'sync'), member('a', 'deposed')]);
    expect([...twice.roots, ...twice.apart].map(({ key }) => key)).toEqual(['a', 'a#2', 'a#3']);
    expect(topologyOf([])).toEqual({ roots: [], apart: [], depth: 0 });
  });

  it('never takes what is not known for good', () => {
    expect(reachLevel(member('a', 'sync', { reachable: null }))).toBe('unknown');
    expect(memberLevel(member('a', 'sync', { reachable: null }), [])).toBe('unknown');
    expect(memberLevel(member('a', 'sync', { reachable: false }), [])).toBe('crit');
    expect(memberLevel(member('a', 'deposed', { reachable: false }), [])).toBe('warn');
    expect(memberLevel(member('a', 'deposed'), [])).toBe('warn');
    expect(memberLevel(member('a', 'sync'), [])).toBe('ok');
    expect(memberLevel(member('a', 'sync'), [{ code: 'c', severity: 'error', peer: 'a', text: '' }])).toBe('crit');
    expect(memberLevel(member('a', 'sync'), [{ code: 'c', severity: 'error', peer: 'b', text: '' }])).toBe('ok');
    expect(hopLevel(member('a', 'sync'))).toBe('unknown');
    expect(hopLevel(member('a', 'sync', { replication_state: 'catchup' }))).toBe('warn');
  });

  it('says how a hop is', () => {
    expect(hopText(member('a', 'sync', { replication_state: 'streaming', sync_state: 'sync' }))).toBe(
      'sync, streaming',
    );
    expect(hopText(member('a', 'sync', { replication_state: 'none', sync_state: 'sync' }))).toBe('not connected');
    expect(hopText(member('a', 'sync'))).toBe('replication unknown');
    expect(lagText({ lag_seconds: 125, lag_bytes: 48_211_000 })).toBe('lag 2m 5s, 46 MiB');
    expect(lagText({ lag_seconds: null, lag_bytes: 0 })).toBe('lag 0 B');
    expect(lagText({ lag_seconds: 0, lag_bytes: 0 })).toBe('no lag');
    expect(lagText({ lag_seconds: null, lag_bytes: null })).toBe('lag unknown');
  });

  it('says what does not fit together', () => {
    const texts = (more: Partial<ClusterMember>) => notesOf(member('a', 'sync', more), model()).map(({ text }) => text);
    expect(texts({ in_recovery: false, timeline: 4, registered: false })).toEqual([
      'PostgreSQL says: takes writes',
      'on timeline 4, not 5',
      'the manager does not hear of it',
    ]);
    expect(texts({ in_recovery: true, timeline: 5, registered: true })).toEqual([]);
    expect(texts({ desired_role: 'primary', pending_restart: true })).toEqual(['to become primary', 'restart pending']);
    expect(notesOf(member('a', 'primary', { in_recovery: true }), model())).toEqual([
      { level: 'crit', text: 'PostgreSQL says: standby' },
    ]);
    // A deposed one is expected to be on another timeline, whether in recovery or not.
    expect(notesOf(member('a', 'deposed', { in_recovery: false, timeline: 4 }), model())).toEqual([]);
  });

  it('adds up no lag that nobody knows', () => {
    const members = [member('a', 'primary', { lag_seconds: 0 }), member('b', 'sync', { upstream: 'a' })];
    expect(worstLag(members)).toEqual({ lag_seconds: null, lag_bytes: null });
    const more = [...members, member('c', 'async', { upstream: 'b', lag_seconds: 3, lag_bytes: 7 })];
    expect(worstLag(more)).toEqual({ lag_seconds: 3, lag_bytes: 7 });
  });
});

describe('the history of a cluster', () => {
  const entry = (generation: number, primary: string | null, failover: boolean): ClusterModel['history'][number] => ({
    generation,
    timeline: null,
    at: null,
    primary,
    sync: null,
    lsn: null,
    failover,
    what: '',
  });

  it('tells who was the primary before, and what kind of change it was', () => {
    const changes = changesOf([entry(3, 'b', false), entry(3, 'b', true), entry(2, null, false), entry(1, 'a', false)]);
    expect(changes.map(({ kind, from, to }) => [kind, from, to])).toEqual([
      ['change', null, 'b'],
      ['failover', 'a', 'b'],
      ['generation', 'a', null],
      ['change', null, 'a'],
    ]);
  });

  it('tells new timelines where there are no generations', () => {
    const past = (timeline: number) => ({ ...entry(1, null, false), generation: null, timeline });
    expect(changesOf([past(3), past(2)]).map(({ kind }) => kind)).toEqual(['timeline', 'change']);
  });
});

describe('all clusters', () => {
  it('come to the worst of them', () => {
    expect(verdictOf([]).level).toBe('unknown');
    expect(verdictOf([view()])).toEqual({ level: 'ok', sentence: 'moray: a leads.' });
    expect(verdictOf([view(), view()]).sentence).toBe('All 2 clusters are well.');
    const bad = view({ name: 'x\u202e', level: 'crit', verdict: 'it broke.' });
    expect(verdictOf([view(), bad])).toEqual({
      level: 'crit',
      sentence: '1 of 2 clusters needs somebody. x\\u{202e}: it broke.',
    });
    expect(verdictOf([view({ level: 'unknown' })]).level).toBe('unknown');
    expect(countsOf([view(), bad])).toEqual({ all: 2, crit: 1, warn: 0, unknown: 0, ok: 1 });
  });

  it('have names of their own in the page', () => {
    const keys = [view(), view({ manager: 'patroni' }), view({ name: 'a/b' }), view({ name: 'a b' })].map(keyOf);
    expect([...slugsOf(keys).values()]).toEqual(['manatee-moray', 'patroni-moray', 'manatee-a-b', 'manatee-a-b-2']);
    expect([...slugsOf(['\u202e']).values()]).toEqual(['cluster']);
  });

  it('are rows, also while nothing is known of one', () => {
    expect(rowOf(view({ cluster: null, age_seconds: null }))).toMatchObject({
      key: 'manatee/moray',
      leader: null,
      members: null,
      paused: null,
      lag_seconds: null,
    });
    expect(rowOf(view({ cluster: model({ paused: { reason: null, since: null } }) })).paused).toBe(true);
  });

  it('are found with their members', () => {
    const one = view({
      cluster: model({ members: [member('10.0.0.1:5432:1', 'sync', { name: 'zone', address: '10.0.0.1:5432' })] }),
    });
    const found = clusterChoices(one);
    expect(found.map(({ label, what }) => [label, what])).toEqual([
      ['moray', 'cluster Manatee'],
      ['zone', 'sync of moray 10.0.0.1:5432:1 10.0.0.1:5432'],
    ]);
    expect(found.map(({ place }) => place)).toEqual(
      Array(2).fill({ to: '/clusters', search: { one: 'manatee/moray' } }),
    );
    expect(clusterChoices(view({ cluster: null }))).toHaveLength(1);
    expect(calledOf({ id: 'x', name: '' })).toBe('x');
  });
});
