import type { ReactNode } from 'react';
import { LEVEL_WORDS } from './Level';
import { useLevel } from './LevelBand';
import { Age } from './Panel';

/** How old the oldest of an answer's figures are. */
export interface Oldest {
  seconds: number | null | undefined;
  receivedAt: number;
}

/** The table of a page that lists things below their `LevelBand`. */
export function ListPanel({
  id,
  title,
  rows,
  all,
  none,
  tools,
  table,
  above,
  from,
  oldest,
  foot,
}: {
  id: string;
  title: string;
  /** How many are shown, of how many. */
  rows: number;
  all: number;
  /** What is said where there is nothing to list. */
  none: string;
  tools: ReactNode;
  table: ReactNode;
  above?: ReactNode;
  /** Where the rows are from. */
  from?: string;
  oldest?: Oldest;
  foot?: ReactNode;
}) {
  const level = useLevel();
  const head = `${id}-head`;
  return (
    <section className="panel" id={id} aria-labelledby={head}>
      <div className="panel-head">
        <h2 id={head}>{title}</h2>
        <span className="muted">{rows === all ? 'worst first' : `${rows} of ${all}`}</span>
        <div className="panel-tools">{tools}</div>
      </div>
      {above}
      <div className="panel-body">
        {rows === 0 ? (
          <p className="empty">{level === undefined ? none : `None is ${LEVEL_WORDS[level].toLowerCase()}.`}</p>
        ) : (
          table
        )}
      </div>
      {from === undefined ? null : (
        <div className="panel-foot">
          <div className="foot-line">
            <span>
              {from}
              {typeof oldest?.seconds !== 'number' ? null : (
                <>
                  {' '}
                  · oldest <Age seconds={oldest.seconds} receivedAt={oldest.receivedAt} />
                </>
              )}
            </span>
            {foot}
          </div>
        </div>
      )}
    </section>
  );
}
