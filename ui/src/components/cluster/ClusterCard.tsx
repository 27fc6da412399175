import {
  IconChevronRight,
  IconClockHour4,
  IconClockPause,
  IconPlayerPause,
  IconPlugConnectedX,
} from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { useCluster } from '../../api/queries';
import type { ClusterDetail, ClusterModel, ClusterView, Level, Schemas } from '../../api/types';
import { useAddress } from '../../lib/address';
import { keyOf, lagText, MANAGERS, pausedWord, worstLag } from '../../lib/clusters';
import { sentence, visible } from '../../lib/visible';
import { counted } from '../../lib/words';
import { Json } from '../Code';
import { LEVEL_WORDS, LevelIcon } from '../Level';
import { Age, StateTag } from '../Panel';
import { Shown } from '../Shown';
import { Time } from '../Value';
import { Changes, Members } from './ClusterTables';
import { ClusterTopology } from './ClusterTopology';

function Banner({ tone, icon: Icon, children }: { tone: Level; icon: typeof IconPlayerPause; children: ReactNode }) {
  return (
    <div className={`banner banner-${tone}`}>
      <Icon size={18} aria-hidden />
      <div>{children}</div>
    </div>
  );
}

function PendingBanner({ view }: { view: ClusterView }) {
  const pending = view.cluster?.pending ?? null;
  if (pending === null) return null;
  return (
    <Banner tone="warn" icon={IconClockHour4}>
      <b>{view.manager === 'manatee' ? 'A promotion is asked for' : 'A switchover is scheduled'}</b>
      {pending.from === null ? null : (
        <>
          {' '}
          from <Shown text={pending.from} />
        </>
      )}
      {pending.to === null ? null : (
        <>
          {' '}
          to <Shown text={pending.to} />
        </>
      )}
      {pending.at === null ? null : (
        <>
          , {view.manager === 'manatee' ? 'until' : 'for'} <Time at={pending.at} />
        </>
      )}
      .
    </Banner>
  );
}

/** What is not as usual with all of it. */
function Banners({ view, receivedAt }: { view: ClusterView; receivedAt: number }) {
  const { cluster, state, reason } = view;
  return (
    <>
      {state === 'stale' || state === 'error' ? (
        <Banner
          tone={state === 'error' ? 'crit' : 'warn'}
          icon={state === 'error' ? IconPlugConnectedX : IconClockPause}
        >
          <b>Its state cannot be read{reason === null ? '.' : ': '}</b>
          {reason === null ? null : <Shown text={reason} lines />}{' '}
          {cluster === null || view.age_seconds === null ? null : (
            <>
              What is shown was right <Age seconds={view.age_seconds} receivedAt={receivedAt} />.
            </>
          )}
        </Banner>
      ) : null}
      {cluster?.paused ? (
        <Banner tone="warn" icon={IconPlayerPause}>
          <b>{pausedWord(view.manager)}: nothing is failed over.</b>{' '}
          {cluster.paused.reason === null ? null : (
            <>
              <Shown text={cluster.paused.reason} />{' '}
            </>
          )}
          {cluster.paused.since === null ? (
            <span className="muted">Since when is not known.</span>
          ) : (
            <span className="muted">
              Since <Time at={cluster.paused.since} />
            </span>
          )}
        </Banner>
      ) : null}
      {cluster?.singleton === true ? (
        <Banner tone="unknown" icon={IconPlayerPause}>
          <b>One-node-write mode:</b> the primary takes writes alone; there is nobody to fail over to.
        </Banner>
      ) : null}
      {cluster?.failsafe === true ? (
        <Banner tone="warn" icon={IconPlugConnectedX}>
          <b>Failsafe mode:</b> the store of the cluster’s state cannot be reached; its members agree to go on.
        </Banner>
      ) : null}
      <PendingBanner view={view} />
    </>
  );
}

const SEVERITY: Record<Schemas['ClusterSeverity'], { level: Level; word: string }> = {
  error: { level: 'crit', word: 'Error' },
  warning: { level: 'warn', word: 'Warning' },
};

function Issues({ issues }: { issues: ClusterModel['issues'] }) {
  return (
    <div className="cluster-part">
      <div className="part-head">
        <h3>Issues</h3>
        <span className="muted">{issues.length === 0 ? 'none' : issues.length}</span>
      </div>
      {issues.length === 0 ? null : (
        <ul className="issues">
          {issues.map(({ severity, peer, text, code }, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: two may say the same; their order is the manager's
            <li key={i}>
              <span className={`level level-${SEVERITY[severity].level}`}>
                <LevelIcon level={SEVERITY[severity].level} />
                {SEVERITY[severity].word}
              </span>
              <span className="issue-text">
                <Shown text={text} lines />
                <span className="issue-of muted">
                  <code>{code}</code>
                  {peer === null ? null : (
                    <>
                      {' '}
                      at <Shown text={peer} />
                    </>
                  )}
                </span>
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** The state as it was read: it may be large, so that it is asked for only where it is looked at. */
function Evidence({ view, shown }: { view: ClusterView; shown: boolean }) {
  const [asked, setAsked] = useState(false);
  const wanted = shown || asked;
  const answer = useCluster(view, wanted);
  return (
    <div className="cluster-part">
      <div className="part-head">
        <h3>The state as it was read</h3>
        {wanted ? null : (
          <button
            type="button"
            className="control small"
            onClick={() => setAsked(true)}
            aria-label={`Show the state of ${visible(view.name)} as it was read`}
          >
            Show
          </button>
        )}
      </div>
      {!wanted ? null : answer.data !== undefined ? (
        <Read evidence={answer.data.data.evidence} />
      ) : answer.isError ? (
        <p className="level-crit">What was read cannot be shown: {sentence(answer.error.message)}</p>
      ) : (
        <div aria-busy="true" className="skeleton wait-evidence" />
      )}
    </div>
  );
}

function Read({ evidence }: { evidence: ClusterDetail['evidence'] }) {
  return (
    <>
      {evidence.length === 0 ? <p className="empty">Nothing could be read yet.</p> : null}
      {evidence.map(({ source, at, text, cut }) => (
        <details key={source} className="remedy evidence-raw">
          <summary>
            <IconChevronRight size={14} aria-hidden />
            <span className="evidence-source">
              <Shown text={source} />
            </span>
          </summary>
          <p className="muted">
            Read <Time at={at} />
            {cut ? '; it goes on, only the beginning is kept' : ''}
          </p>
          <Json text={text} label={`Copy what was read at ${visible(source)}`} />
        </details>
      ))}
    </>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Facts({ view, cluster }: { view: ClusterView; cluster: ClusterModel }) {
  const unknown = <span className="muted">unknown</span>;
  return (
    <dl className="facts-grid cluster-facts">
      <Fact label="Leads">{cluster.leader === null ? unknown : <Shown text={cluster.leader} />}</Fact>
      {view.manager === 'streaming' || cluster.locked === null ? null : (
        <Fact label={view.manager === 'manatee' ? 'In the election' : 'Lock of the leader'}>
          {view.manager === 'manatee' ? 'the leader is ' : 'held by '}
          {cluster.locked ? (
            view.manager === 'manatee' ? (
              'there'
            ) : (
              'somebody'
            )
          ) : (
            <b className="level-crit">{view.manager === 'manatee' ? 'missing' : 'nobody'}</b>
          )}
        </Fact>
      )}
      {view.manager === 'manatee' ? <Fact label="Generation">{cluster.generation ?? unknown}</Fact> : null}
      <Fact label="Timeline">{cluster.timeline ?? unknown}</Fact>
      {cluster.init_wal === null ? null : (
        <Fact label="Generation began at">
          <Shown text={cluster.init_wal} />
        </Fact>
      )}
      <Fact label="Members">{cluster.members.length}</Fact>
      <Fact label="Worst lag">{lagText(worstLag(cluster.members)).replace(/^lag /, '')}</Fact>
      <Fact label="Failovers seen">{view.failovers}</Fact>
    </dl>
  );
}

/** One cluster: what it comes to, then the evidence. */
export function ClusterCard({
  view,
  slug,
  receivedAt,
  alone,
}: {
  view: ClusterView;
  slug: string;
  receivedAt: number;
  /** The only one that there is: the page's verdict is its own. */
  alone: boolean;
}) {
  const [search] = useAddress();
  const { cluster, level } = view;
  const { one, ...rest } = search;
  return (
    <section className="panel cluster" id={slug} aria-labelledby={`${slug}-head`} data-state={view.state}>
      <div className="panel-head">
        <h2 id={`${slug}-head`}>
          <Shown text={view.name} />
        </h2>
        <span className="tag tag-plain">{MANAGERS[view.manager]}</span>
        <StateTag state={view.state} />
        {cluster?.paused ? <span className="tag tag-warn">{pausedWord(view.manager)}</span> : null}
        {alone && one === undefined ? null : (
          <div className="panel-tools">
            <Link
              className="control small"
              to="."
              search={one === undefined ? { ...search, one: keyOf(view) } : rest}
              aria-label={one === undefined ? `Only this: ${visible(view.name)}` : 'All clusters'}
              preload={false}
            >
              {one === undefined ? 'Only this' : 'All clusters'}
            </Link>
          </div>
        )}
      </div>
      <div className="panel-body">
        {alone ? null : (
          <p className="cluster-verdict">
            <LevelIcon level={level} size={18} />
            <span>
              <strong className={`level-${level}`}>{LEVEL_WORDS[level]}: </strong>
              {sentence(view.verdict)}
            </span>
          </p>
        )}
        <Banners view={view} receivedAt={receivedAt} />
        {cluster === null ? null : (
          <>
            <Facts view={view} cluster={cluster} />
            <div className="cluster-part">
              <div className="part-head">
                <h3>Topology</h3>
              </div>
              {cluster.members.length === 0 ? (
                <p className="empty">It has no members that anybody knows of.</p>
              ) : (
                <ClusterTopology cluster={cluster} table={`${slug}-members`} />
              )}
            </div>
            <Issues issues={cluster.issues} />
            {cluster.members.length === 0 ? null : <Members cluster={cluster} table={`${slug}-members`} />}
            <Changes cluster={cluster} table={`${slug}-history`} />
          </>
        )}
        {/* Without a manager there is no state but that of the members. */}
        {view.manager === 'streaming' ? null : <Evidence view={view} shown={alone || one !== undefined} />}
      </div>
      <div className="panel-foot">
        <div className="foot-line">
          <span className="foot-source">
            From <Shown text={view.source} />
            {view.age_seconds === null ? null : (
              <>
                {' '}
                · <Age seconds={view.age_seconds} receivedAt={receivedAt} />
              </>
            )}
          </span>
          {view.read_errors === 0 ? null : <span>{counted(view.read_errors, 'read')} failed since pgmon started</span>}
          <span>pgmon only reads it</span>
        </div>
      </div>
    </section>
  );
}
