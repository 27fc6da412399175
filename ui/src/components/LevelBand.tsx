import type { Level, Schemas } from '../api/types';
import { useAddress } from '../lib/address';
import { LEVEL_WORDS, LevelIcon } from './Level';

const LEVELS: readonly Level[] = ['crit', 'warn', 'unknown', 'ok'];

/** The level that the address wants to see alone. */
export function useLevel(): Level | undefined {
  const [search] = useAddress();
  return LEVELS.find((each) => each === search.level);
}

/** How many are how bad; each shows only its own. */
export function LevelBand({ counts }: { counts: Schemas['LevelCounts'] }) {
  const [, change] = useAddress();
  const level = useLevel();
  return (
    <fieldset className="band">
      <legend className="visually-hidden">Show only those that are</legend>
      {LEVELS.map((each) => (
        <button
          key={each}
          type="button"
          aria-pressed={level === each}
          onClick={() => change({ level: level === each ? undefined : each })}
        >
          <span className={`level level-${each}`}>
            <LevelIcon level={each} />
            {LEVEL_WORDS[each]}
          </span>
          <b>{counts[each]}</b>
        </button>
      ))}
      <span className="band-all muted">{counts.all} in all</span>
    </fieldset>
  );
}
