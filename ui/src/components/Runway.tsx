import type { Row } from '../api/types';
import { qualified } from '../lib/columns';
import { formatDuration } from '../lib/format';
import { isLevel, LevelTag } from './Level';
import { Shown } from './Shown';

const TONES = { crit: 'var(--crit)', warn: 'var(--warn)', ok: 'var(--ok)', unknown: 'var(--unknown)' };

/** For how long each table has partitions yet, on one scale. */
export function Runway({ rows }: { rows: readonly Row[] }) {
  const timed = rows.filter((row) => typeof row.horizon_seconds === 'number');
  if (timed.length === 0) return null;
  const longest = Math.max(30 * 86_400, ...timed.map((row) => Number(row.horizon_seconds)));
  return (
    <section className="panel" aria-labelledby="runway-head">
      <div className="panel-head">
        <h2 id="runway-head">Runway</h2>
        <span className="muted">until rows fall behind the last partition</span>
      </div>
      <ul>
        {timed.slice(0, 20).map((row) => {
          const seconds = Number(row.horizon_seconds);
          const level = isLevel(row.level) ? row.level : 'unknown';
          return (
            <li key={String(row.relation)} className="runway-row">
              <span className="runway-name">
                <Shown text={qualified(row) ?? String(row.relation)} />
              </span>
              <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <rect width="100" height="10" rx="1" fill="var(--raised)" />
                <rect
                  width={Math.max(0.6, (Math.max(0, seconds) / longest) * 100)}
                  height="10"
                  rx="1"
                  fill={TONES[level]}
                />
              </svg>
              <span className="level">
                <LevelTag level={level} bare />
                {seconds <= 0 ? 'run out' : formatDuration(seconds)}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
