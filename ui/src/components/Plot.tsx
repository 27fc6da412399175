import { useMantineColorScheme } from '@mantine/core';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Series, Thresholds } from '../api/types';
import { formatTime, formatValue } from '../lib/format';
import { lonePlaces } from '../lib/series';
import { COLOURS, seriesName } from './Chart';
import { rootSize } from './measure';

/** Steps of an axis of bytes: 1, 2, 4, ... so that its marks are round in KiB and MiB. */
const BINARY = Array.from({ length: 62 }, (_, i) => 2 ** i);

interface Props {
  title: string;
  times: number[];
  lines: Series[];
  unit: string;
  zone: 'local' | 'utc';
  thresholds: Thresholds | null;
  onCursor: (index: number | null) => void;
}

function numbers(values: readonly (number | null)[]): number[] {
  return values.filter((value): value is number => value !== null);
}

/** Where the axis ends: zero is in sight, and a threshold if the line is anywhere near it. */
export function axisRange(lines: readonly Series[], thresholds: Thresholds | null): [number, number] {
  const all = lines.flatMap((line) => [...numbers(line.min), ...numbers(line.max)]);
  let high = Math.max(0, ...all);
  const low = Math.min(0, ...all);
  for (const line of [thresholds?.warn, thresholds?.crit]) {
    if (line !== null && line !== undefined && line > high && line < high * 3) high = line;
  }
  return [low, high === low ? low + 1 : high + (high - low) * 0.08];
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Of axes and lines: larger where all else is. */
function fontSize(): number {
  return 0.6875 * rootSize();
}

function drawThresholds(u: uPlot, thresholds: Thresholds | null): void {
  const low = u.scales.y?.min ?? 0;
  const high = u.scales.y?.max ?? 0;
  for (const [value, name] of [
    [thresholds?.warn, '--warn'],
    [thresholds?.crit, '--crit'],
  ] as const) {
    if (value === null || value === undefined || value < low || value > high) continue;
    const y = Math.round(u.valToPos(value, 'y', true)) + 0.5;
    u.ctx.save();
    u.ctx.strokeStyle = colour(name);
    u.ctx.fillStyle = colour(name);
    u.ctx.lineWidth = devicePixelRatio;
    u.ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
    u.ctx.beginPath();
    u.ctx.moveTo(u.bbox.left, y);
    u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
    u.ctx.stroke();
    // One on the left and one on the right: they may be near each other, and near the end of the axis.
    const warn = name === '--warn';
    const size = fontSize() * devicePixelRatio;
    const x = warn ? u.bbox.left + 4 * devicePixelRatio : u.bbox.left + u.bbox.width - 4 * devicePixelRatio;
    const under = y - size * 1.4 < u.bbox.top;
    u.ctx.font = `${size}px system-ui, sans-serif`;
    u.ctx.textAlign = warn ? 'left' : 'right';
    u.ctx.textBaseline = under ? 'top' : 'bottom';
    u.ctx.setLineDash([]);
    u.ctx.lineWidth = 3 * devicePixelRatio;
    u.ctx.lineJoin = 'round';
    u.ctx.strokeStyle = colour('--surface');
    for (const draw of ['strokeText', 'fillText'] as const) {
      u.ctx[draw](warn ? 'warning' : 'critical', x, under ? y + 3 * devicePixelRatio : y - 2 * devicePixelRatio);
    }
    u.ctx.restore();
  }
}

function options(props: Props, width: number, height: number, onCursor: (i: number | null) => void): uPlot.Options {
  const { lines, unit, thresholds, zone } = props;
  const banded = lines.length <= 3;
  const text = colour('--muted');
  const grid = { stroke: colour('--border'), width: 1 };
  const scale = rootSize() / 16;
  const font = `${fontSize()}px system-ui, sans-serif`;
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  lines.forEach((_, i) => {
    const stroke = colour(COLOURS[i] ?? '--s8');
    if (banded) {
      const hidden = { stroke: 'transparent', width: 0, points: { show: false }, spanGaps: false };
      series.push(hidden, hidden);
      bands.push({ series: [series.length - 2, series.length - 1], fill: `${stroke}2e` });
    }
    series.push({
      stroke,
      width: 1.5,
      spanGaps: false,
      // A value between two gaps has no line: without a dot it would be a gap, too.
      points: { show: false, size: 5, fill: stroke, filter: (u, s) => lonePlaces(Array.from(u.data[s] ?? [])) },
    });
  });
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: () => axisRange(lines, thresholds) } },
    axes: [
      {
        stroke: text,
        grid: { show: false },
        ticks: grid,
        font,
        space: 70 * scale,
        size: 32 * scale,
        values: (_, splits, __, ___, step) =>
          splits.map((at) =>
            new Intl.DateTimeFormat('en-GB', {
              ...(step >= 86_400 ? { day: '2-digit', month: 'short' } : { hour: '2-digit', minute: '2-digit' }),
              ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
            }).format(at * 1000),
          ),
      },
      {
        stroke: text,
        grid,
        ticks: { show: false },
        font,
        size: 64 * scale,
        space: 34 * scale,
        ...(unit.startsWith('bytes') ? { incrs: BINARY } : {}),
        values: (_, splits) => splits.map((value) => formatValue(value, unit)),
      },
    ],
    series,
    bands,
    hooks: { draw: [(u) => drawThresholds(u, thresholds)], setCursor: [(u) => onCursor(u.cursor.idx ?? null)] },
  };
}

function dataOf(times: number[], lines: Series[]): uPlot.AlignedData {
  const banded = lines.length <= 3;
  const columns = lines.flatMap((line) => (banded ? [line.max, line.min, line.mean] : [line.mean]));
  return [times, ...columns] as uPlot.AlignedData;
}

/** The drawing. Arrow keys move the crosshair; what it is at is told to screen readers. */
export default function Plot(props: Props) {
  const { title, times, lines, unit, zone, onCursor } = props;
  const outer = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const { colorScheme } = useMantineColorScheme();
  const [index, setIndex] = useState<number | null>(null);
  const [rem, setRem] = useState(rootSize);
  const shape = `${lines.length} ${unit} ${zone} ${colorScheme} ${rem}`;

  // A new plot for a new shape only; new figures go into the one that is there.
  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for what options depend on
  useEffect(() => {
    const element = outer.current;
    if (element === null) return;
    const made = new uPlot(
      options(latest.current, element.clientWidth, element.clientHeight, (i) => {
        setIndex(i);
        latest.current.onCursor(i);
      }),
      dataOf(latest.current.times, latest.current.lines),
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: element.clientHeight });
      setRem(rootSize());
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(dataOf(times, lines));
  }, [times, lines]);

  const move = (event: KeyboardEvent) => {
    const u = plot.current;
    if (u === undefined) return;
    const end = times.length - 1;
    const from = index ?? end;
    const steps: Record<string, number> = {
      ArrowLeft: from - 1,
      ArrowRight: from + 1,
      Home: 0,
      End: end,
      PageUp: from - 10,
      PageDown: from + 10,
    };
    const wanted = steps[event.key];
    if (wanted === undefined) {
      if (event.key === 'Escape') {
        u.setCursor({ left: -10, top: -10 });
        onCursor(null);
      }
      return;
    }
    event.preventDefault();
    const to = Math.max(0, Math.min(end, wanted));
    u.setCursor({ left: u.valToPos(times[to] ?? 0, 'x'), top: 1 });
  };

  const at = index === null ? undefined : times[index];
  const said =
    at === undefined || index === null
      ? `${times.length} points`
      : `${formatTime(at * 1000, zone)}: ${lines.map((line) => `${seriesName(line, title)} ${formatValue(line.mean[index], unit)}`).join(', ')}`;
  return (
    <div
      className="plot-in"
      ref={outer}
      role="slider"
      tabIndex={0}
      aria-label={`${title}: a chart; arrow keys move along it`}
      aria-valuemin={0}
      aria-valuemax={Math.max(0, times.length - 1)}
      aria-valuenow={index ?? Math.max(0, times.length - 1)}
      aria-valuetext={said}
      onKeyDown={move}
    />
  );
}
