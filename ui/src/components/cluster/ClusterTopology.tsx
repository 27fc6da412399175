import { Link } from '@tanstack/react-router';
import type { ClusterMember, ClusterModel } from '../../api/types';
import { useAddress } from '../../lib/address';
import {
  calledOf,
  hopLevel,
  hopText,
  lagText,
  memberLevel,
  notesOf,
  ROLES,
  reachedText,
  reachLevel,
  type TopologyNode,
  topologyOf,
} from '../../lib/clusters';
import { formatLsn } from '../../lib/format';
import { visible } from '../../lib/visible';
import { LEVEL_WORDS, LevelIcon } from '../Level';
import { Shown } from '../Shown';

interface Around {
  cluster: ClusterModel;
  /** The table of its members: a member leads to its row. */
  table: string;
}

function MemberBox({ member, cluster, table }: { member: ClusterMember } & Around) {
  const [search] = useAddress();
  const level = memberLevel(member, cluster.issues);
  const facts = [
    member.state,
    member.timeline === null ? null : `timeline ${member.timeline}`,
    member.position_bytes === null ? null : formatLsn(member.position_bytes),
  ].filter((fact) => fact !== null && fact !== '');
  return (
    <Link
      to="."
      search={{ ...search, open: `${table}:${member.id}` }}
      hash={table}
      className={`topo-node topo-${level}`}
      title={`Show ${visible(member.id)} in the table`}
      preload={false}
    >
      <span className="topo-head">
        <b>{ROLES[member.role]}</b>
        <span className={`level level-${reachLevel(member)}`}>
          <LevelIcon level={reachLevel(member)} />
          {reachedText(member.reachable)}
        </span>
      </span>
      <span className="topo-name">
        <Shown text={calledOf(member)} />
      </span>
      {calledOf(member) === member.id && member.address !== null && !member.id.startsWith(member.address) ? (
        <span className="topo-facts">
          <Shown text={member.address} />
        </span>
      ) : calledOf(member) === member.id ? null : (
        <span className="topo-facts">
          <Shown text={member.id} />
        </span>
      )}
      {facts.length === 0 ? null : (
        <span className="topo-facts">
          <Shown text={facts.join(' · ')} />
        </span>
      )}
      {notesOf(member, cluster).map((note) => (
        <span key={note.text} className={`tag tag-${note.level} topo-note`}>
          {note.level === 'unknown' ? null : <LevelIcon level={note.level} size={13} />}
          {note.text}
        </span>
      ))}
    </Link>
  );
}

function HopTo({ from, member }: { from: string; member: ClusterMember }) {
  const level = hopLevel(member);
  return (
    <div className={`topo-hop topo-${level}`}>
      <span className="topo-what">
        <span className="visually-hidden">
          From {visible(from)} to {visible(calledOf(member))}, {LEVEL_WORDS[level]}:{' '}
        </span>
        <Shown text={hopText(member)} />
      </span>
      <span className="topo-line" aria-hidden />
      <span className="topo-lag">{lagText(member)}</span>
    </div>
  );
}

function Branch({ node, from, ...around }: { node: TopologyNode; from: string | undefined } & Around) {
  return (
    <li className="topo-item">
      {from === undefined ? null : <HopTo from={from} member={node.member} />}
      <MemberBox member={node.member} {...around} />
      {node.below.length === 0 ? null : (
        <ul className={node.below.length > 1 ? 'topo-list topo-fork' : 'topo-list'}>
          {node.below.map((each) => (
            <Branch key={each.key} node={each} from={calledOf(node.member)} {...around} />
          ))}
        </ul>
      )}
    </li>
  );
}

/** Who replicates from whom, with the lag of each hop: from left to right, or as a list where that has no room. */
export function ClusterTopology(around: Around) {
  const { roots, apart, depth } = topologyOf(around.cluster.members);
  return (
    <div className="topo-box">
      {roots.length === 0 ? null : (
        <ul className="topo topo-list" data-depth={Math.min(depth, 5)} aria-label="Who replicates from whom">
          {roots.map((root) => (
            <Branch
              key={root.key}
              node={root}
              from={root.outside === null ? undefined : `${root.outside}, outside this cluster`}
              {...around}
            />
          ))}
        </ul>
      )}
      {apart.length === 0 ? null : (
        <>
          <h4>Takes no part</h4>
          <ul className="topo-apart">
            {apart.map(({ key, member }) => (
              <li key={key}>
                <MemberBox member={member} {...around} />
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
