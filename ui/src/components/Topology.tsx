import type { ReplicationNode, Row } from '../api/types';
import { formatBytes, formatDuration } from '../lib/format';
import { placeTree } from '../lib/tree';
import { visible } from '../lib/visible';
import { LEVEL_WORDS } from './Level';
import { ScrollBox } from './ScrollBox';

const WIDTH = 250;
const HEIGHT = 68;
const GAP_X = 110;
const GAP_Y = 18;
const TONES = { crit: 'var(--crit)', warn: 'var(--warn)', ok: 'var(--ok)', unknown: 'var(--unknown)' };

function lag(node: ReplicationNode): string {
  const parts = [
    node.lag_seconds === null ? undefined : formatDuration(node.lag_seconds),
    node.lag_bytes === null ? undefined : formatBytes(node.lag_bytes),
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? 'lag unknown' : `lag ${parts.join(', ')}`;
}

function shorten(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function about(node: ReplicationNode): string {
  const parts = [
    node.role === 'unknown' ? undefined : node.role,
    node.kind ?? undefined,
    node.state ?? undefined,
    node.sync_state ?? undefined,
  ];
  return parts.filter((part) => part !== undefined && part !== '').join(' · ');
}

/** Who streams from whom, left to right. The table below has the same in words. */
export function Topology({ rows }: { rows: readonly Row[] }) {
  const nodes = (rows as unknown as ReplicationNode[]).map((node) => ({ ...node, name: visible(node.name) }));
  const placed = placeTree(nodes);
  const at = new Map<string, { x: number; y: number }>();
  // Each leaf has a line of its own; a parent stands beside its first child.
  let line = 0;
  placed.forEach(({ row, depth }, i) => {
    const next = placed[i + 1];
    at.set(row.id, { x: 2 + depth * (WIDTH + GAP_X), y: 2 + line * (HEIGHT + GAP_Y) });
    if (next === undefined || next.depth <= depth) line += 1;
  });
  const deepest = Math.max(0, ...placed.map(({ depth }) => depth));
  const width = (deepest + 1) * (WIDTH + GAP_X) - GAP_X + 4;
  const height = Math.max(1, line) * (HEIGHT + GAP_Y) - GAP_Y + 4;
  const spoken = placed
    .map(({ row, depth }) => `${row.name}, ${about(row)}, ${LEVEL_WORDS[row.level]}${depth > 0 ? `, ${lag(row)}` : ''}`)
    .join('; ');
  return (
    <ScrollBox className="topology-wrap" label="The topology, drawn">
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={spoken}>
        {placed.map(({ row }) => {
          const to = at.get(row.id);
          const from = row.parent === null ? undefined : at.get(row.parent);
          if (to === undefined || from === undefined) return null;
          const x1 = from.x + WIDTH;
          const y1 = from.y + HEIGHT / 2;
          const y2 = to.y + HEIGHT / 2;
          const middle = (x1 + to.x) / 2;
          return (
            <path
              key={row.id}
              d={`M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${to.x} ${y2}`}
              fill="none"
              stroke={TONES[row.level]}
              strokeWidth="2"
              strokeDasharray={row.kind === 'logical' ? '6 4' : undefined}
            />
          );
        })}
        {placed.map(({ row, depth }) => {
          const place = at.get(row.id);
          if (place === undefined) return null;
          return (
            <g key={row.id} transform={`translate(${place.x} ${place.y})`} fontSize="12">
              <title>{`${row.name}: ${about(row)}`}</title>
              <rect
                width={WIDTH}
                height={HEIGHT}
                rx="8"
                fill="var(--surface)"
                stroke={row.this ? 'var(--accent)' : 'var(--edge)'}
                strokeWidth={row.this ? 2 : 1}
              />
              <rect x="0" y="10" width="4" height={HEIGHT - 20} rx="2" fill={TONES[row.level]} />
              <text x="14" y="21" unicodeBidi="isolate" fontWeight="650" fontSize="13" fill="var(--text)">
                {shorten(row.name, 22)}
              </text>
              <text x={WIDTH - 10} y="21" textAnchor="end" fill={TONES[row.level]} fontWeight="600" fontSize="11">
                {LEVEL_WORDS[row.level]}
              </text>
              <text x="14" y="39" fill="var(--muted)">
                {shorten(about(row), 38)}
              </text>
              <text x="14" y="56" fill="var(--text)">
                {depth > 0 ? lag(row) : row.this ? 'this server' : ''}
              </text>
            </g>
          );
        })}
      </svg>
    </ScrollBox>
  );
}
