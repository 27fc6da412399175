import { IconChevronRight } from '@tabler/icons-react';
import type { LockNode, Row } from '../api/types';
import { formatDuration, UNKNOWN } from '../lib/format';
import { type Placed, placeTree } from '../lib/tree';
import { sentence, visible } from '../lib/visible';
import { LevelTag } from './Level';
import { Shown } from './Shown';
import { RemedyDetails, Sql } from './Sql';

function seconds(value: number | null): string {
  return value === null ? UNKNOWN : formatDuration(value);
}

function who(node: LockNode): string {
  return node.pid === null ? sentence(`prepared transaction ${node.gid ?? ''}`) : `PID ${node.pid}`;
}

function Waits({ node }: { node: LockNode }) {
  if (node.parent === null) {
    return (
      <span>
        <b>root blocker</b>, blocks {node.blocked_count} {node.blocked_count === 1 ? 'session' : 'sessions'}
      </span>
    );
  }
  return (
    <span>
      waits <b>{seconds(node.wait_seconds)}</b> for <b>{node.mode ?? 'a lock'}</b> on {node.locktype}{' '}
      {node.relation === null ? null : (
        <code>
          <Shown text={node.relation} />
        </code>
      )}
      {node.blocker_mode === null
        ? null
        : node.blocker_holds === false
          ? `, queued behind ${node.blocker_mode}`
          : `, held as ${node.blocker_mode}`}
      {node.blocked_count > 0 ? `; blocks ${node.blocked_count}` : ''}
    </span>
  );
}

function Node({ placed }: { placed: Placed<LockNode> }) {
  const { row: node, depth, rails, last, children } = placed;
  return (
    <li className="lock">
      {rails.map((line, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rails have no names
        <span key={i} className={line ? 'rail line' : 'rail'} aria-hidden="true" />
      ))}
      {depth > 0 ? <span className={last ? 'rail elbow' : 'rail elbow tee'} aria-hidden="true" /> : null}
      <div className="lock-in">
        <div className="lock-head">
          <LevelTag level={node.level} />
          <b>{who(node)}</b>
          <Waits node={node} />
        </div>
        <div className="lock-head muted">
          <span className="visually-hidden">
            level {depth + 1}, {children} directly behind
          </span>
          <span>
            {node.application_name === '' || node.application_name === null ? (
              'no application name'
            ) : (
              <Shown text={node.application_name} />
            )}
          </span>
          <span>
            {node.state ?? 'state unknown'}
            {node.state_seconds === null ? '' : ` for ${formatDuration(node.state_seconds)}`}
          </span>
          <span>transaction {seconds(node.transaction_seconds)}</span>
          {node.usename === null ? null : (
            <span>
              role <Shown text={node.usename} />
            </span>
          )}
          {node.datname === null ? null : (
            <span>
              in <Shown text={node.datname} />
            </span>
          )}
          {node.backend_type === null || node.backend_type === 'client backend' ? null : (
            <span>{node.backend_type}</span>
          )}
        </div>
        {node.query === null ? null : node.query.length <= 240 ? (
          <p className="lock-query">
            <Shown text={node.query} lines />
          </p>
        ) : (
          <details className="remedy">
            <summary>
              <IconChevronRight size={14} aria-hidden />
              <span className="mono">{visible(node.query.slice(0, 160), true)}…</span>
            </summary>
            <Sql sql={node.query} label="Copy the query" />
          </details>
        )}
        {node.remedy === null ? null : <RemedyDetails remedy={node.remedy} />}
      </div>
    </li>
  );
}

/** Root blockers, below each whom it keeps waiting. */
export function LockTree({ rows }: { rows: readonly Row[] }) {
  const placed = placeTree(rows as unknown as LockNode[]);
  return (
    <ul data-hold>
      {placed.map((each) => (
        <Node key={each.row.id} placed={each} />
      ))}
    </ul>
  );
}
