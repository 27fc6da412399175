import { useHistory } from '../api/queries';
import type { Figure } from '../api/types';
import { formatAge, formatValue } from '../lib/format';
import { LEVEL_WORDS, LevelIcon } from './Level';
import { Sparkline } from './Sparkline';

function Spark({ figure }: { figure: Figure }) {
  const history = useHistory(figure.history);
  const series = history.data?.data.series ?? [];
  // One line tells something; of several replicas or databases the chart does.
  return <Sparkline values={series.length === 1 ? (series[0]?.mean ?? []) : []} />;
}

function Inside({ figure }: { figure: Figure }) {
  const unknown = figure.value === null;
  return (
    <>
      <span className="figure-label">
        {figure.label}
        {figure.level === 'ok' ? null : (
          <span className={`level level-${figure.level}`}>
            <LevelIcon level={figure.level} size={15} />
            <span className={figure.level === 'unknown' ? 'visually-hidden' : undefined}>
              {LEVEL_WORDS[figure.level]}
            </span>
          </span>
        )}
      </span>
      <span className={`figure-value${unknown ? ' muted' : ''}`}>
        {formatValue(figure.value, figure.unit)}
        {figure.of === null || unknown ? null : (
          <span className="figure-of"> of {formatValue(figure.of, figure.unit)}</span>
        )}
      </span>
      {figure.note === null ? null : <span className="figure-note">{figure.note}</span>}
      {figure.stats_reset_age_seconds === null ? null : (
        <span className="figure-note">counted for {formatAge(figure.stats_reset_age_seconds)}</span>
      )}
      {figure.history === null ? null : <Spark figure={figure} />}
    </>
  );
}

/** Tiles. One with a past opens and closes its chart. */
export function Figures({
  figures,
  shown,
  onToggle,
}: {
  figures: readonly Figure[];
  shown: ReadonlySet<string>;
  onToggle: (id: string) => void;
}) {
  return (
    <section className="figures" aria-label="Figures" data-n={figures.length}>
      {figures.map((figure) =>
        figure.history === null ? (
          <div key={figure.id} className="figure">
            <Inside figure={figure} />
          </div>
        ) : (
          <button
            key={figure.id}
            type="button"
            className="figure"
            aria-pressed={shown.has(figure.id)}
            title={shown.has(figure.id) ? 'Hide the chart' : 'Show the chart'}
            onClick={() => onToggle(figure.id)}
          >
            <Inside figure={figure} />
          </button>
        ),
      )}
    </section>
  );
}
