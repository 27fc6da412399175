import { IconChartLine, IconTable } from '@tabler/icons-react';
import { lazy, Suspense, useState } from 'react';
import { useHistory } from '../api/queries';
import type { MetricRef, Series, Thresholds } from '../api/types';
import { useRange, useZone } from '../lib/address';
import { formatAge, formatTime, formatValue, UNKNOWN } from '../lib/format';
import { latestOf } from '../lib/series';
import { visible } from '../lib/visible';
import { ScrollBox } from './ScrollBox';

/** uPlot comes in a chunk of its own, once there is something to draw. */
const Plot = lazy(() => import('./Plot'));

export const COLOURS = ['--s1', '--s2', '--s3', '--s4', '--s5', '--s6', '--s7', '--s8'] as const;

/** More lines than this cannot be told apart; the table has them all. */
const MOST_LINES = 8;

export function seriesName(series: Series, otherwise: string): string {
  const values = Object.values(series.labels);
  return values.length === 0 ? otherwise : visible(values.join(' '));
}

function last(values: readonly (number | null)[]): number | null {
  for (let i = values.length - 1; i >= 0; i -= 1) {
    const value = values[i];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

function byPeak(series: readonly Series[]): Series[] {
  const peak = (each: Series) => Math.max(...each.max.map((value) => value ?? Number.NEGATIVE_INFINITY));
  return [...series].sort((a, b) => peak(b) - peak(a));
}

function Table({ times, series, unit, title }: { times: number[]; series: Series[]; unit: string; title: string }) {
  const zone = useZone();
  return (
    <ScrollBox className="chart-table" label={`${title}, as a table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Until</th>
            {series.flatMap((each) =>
              ['min', 'mean', 'max'].map((what) => (
                <th key={`${seriesName(each, '')} ${what}`} scope="col">
                  {seriesName(each, '')} {what}
                </th>
              )),
            )}
          </tr>
        </thead>
        <tbody>
          {times
            .map((time, i) => (
              <tr key={time}>
                <th scope="row">{formatTime(time * 1000, zone)}</th>
                {series.flatMap((each) =>
                  [each.min[i], each.mean[i], each.max[i]].map((value, what) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: min, mean and max have fixed places
                    <td key={`${seriesName(each, '')} ${what}`}>{formatValue(value, unit)}</td>
                  )),
                )}
              </tr>
            ))
            .reverse()}
        </tbody>
      </table>
    </ScrollBox>
  );
}

/** The past of a figure. */
export function HistoryChart({
  title,
  metric,
  unit,
  thresholds = null,
}: {
  title: string;
  metric: MetricRef;
  unit: string;
  thresholds?: Thresholds | null;
}) {
  const history = useHistory(metric);
  const range = useRange();
  const zone = useZone();
  const [asTable, setAsTable] = useState(false);
  const [at, setAt] = useState<number | null>(null);
  const data = history.data?.data;
  const series = byPeak(data?.series ?? []);
  const lines = series.slice(0, MOST_LINES);
  const times = data?.unix_seconds ?? [];
  const known = series.some((each) => each.mean.some((value) => value !== null));
  const left = series.length - lines.length + (data?.left_out ?? 0);
  const latest = latestOf(
    lines.map((line) => line.mean),
    times,
    data === undefined ? 0 : Date.parse(data.to) / 1000,
    data?.step_seconds ?? 0,
  );
  const time = times[at ?? latest.place];
  return (
    <section className="chart" aria-label={`Chart: ${title}`} data-hold>
      <div className="chart-head">
        <h2>{title}</h2>
        <span className="muted">{range.label}</span>
        <button
          type="button"
          className="control small push"
          aria-pressed={asTable}
          disabled={!known}
          onClick={() => setAsTable(!asTable)}
        >
          {asTable ? <IconChartLine size={15} aria-hidden /> : <IconTable size={15} aria-hidden />}
          Table
        </button>
      </div>
      {asTable && known ? (
        <Table times={times} series={series} unit={unit} title={title} />
      ) : (
        <div className="plot">
          {known ? (
            <Suspense fallback={<p className="center">Loading the chart</p>}>
              <Plot
                title={title}
                times={times}
                lines={lines}
                unit={unit}
                zone={zone}
                thresholds={thresholds}
                onCursor={setAt}
              />
            </Suspense>
          ) : (
            <p className="center">
              {history.isError ? history.error.message : history.isPending ? 'Loading' : 'No figures in this time yet.'}
            </p>
          )}
        </div>
      )}
      <div className="chart-legend">
        {time === undefined ? null : (
          <span>
            {at === null ? 'Latest, ' : ''}
            {formatTime(time * 1000, zone, at !== null)}
            {at === null && latest.behind !== undefined ? (
              <b className="level-warn">, {formatAge(latest.behind)} old</b>
            ) : null}
          </span>
        )}
        {known
          ? lines.map((each, i) => {
              const value = at === null ? last(each.mean) : (each.mean[at] ?? null);
              const low = at === null ? null : (each.min[at] ?? null);
              const high = at === null ? null : (each.max[at] ?? null);
              const range = low !== null && high !== null && low !== high;
              return (
                <span key={seriesName(each, title)}>
                  <svg className="swatch" viewBox="0 0 10 10" aria-hidden="true">
                    <rect width="10" height="10" rx="2" fill={`var(${COLOURS[i]})`} />
                  </svg>
                  {lines.length === 1 ? 'value' : seriesName(each, 'value')}{' '}
                  <b>{value === null ? UNKNOWN : formatValue(value, unit)}</b>
                  {range ? ` (${formatValue(low, unit)} to ${formatValue(high, unit)})` : ''}
                </span>
              );
            })
          : null}
        {at !== null || latest.same === undefined ? null : (
          <span className="muted" title="What is read seldom is drawn on until it is read again">
            {latest.same === 'start'
              ? 'no other value in this time'
              : `no other value since ${formatTime(latest.same * 1000, zone, false)}`}
          </span>
        )}
        {left > 0 ? <span>{left} more not drawn</span> : null}
      </div>
    </section>
  );
}
