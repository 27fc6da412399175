import {
  IconAlertOctagonFilled,
  IconAlertTriangleFilled,
  IconCircleCheckFilled,
  IconHelpCircle,
} from '@tabler/icons-react';
import type { Level } from '../api/types';

export const LEVEL_WORDS: Record<Level, string> = { crit: 'Critical', warn: 'Warning', ok: 'OK', unknown: 'Unknown' };

/** Worst first. Unknown is never as good as ok. */
export const LEVEL_ORDER: Record<Level, number> = { crit: 3, warn: 2, unknown: 1, ok: 0 };

export function worst(levels: readonly Level[]): Level {
  return levels.reduce<Level>((a, b) => (LEVEL_ORDER[b] > LEVEL_ORDER[a] ? b : a), 'ok');
}

export function isLevel(value: unknown): value is Level {
  return typeof value === 'string' && value in LEVEL_WORDS;
}

const ICONS = {
  crit: IconAlertOctagonFilled,
  warn: IconAlertTriangleFilled,
  ok: IconCircleCheckFilled,
  unknown: IconHelpCircle,
} as const;

export function LevelIcon({ level, size = 16 }: { level: Level; size?: number }) {
  const Icon = ICONS[level];
  return <Icon size={size} aria-hidden className={`level-${level}`} />;
}

/** Severity is told by icon, word and colour; `bare` keeps the word for screen readers only. */
export function LevelTag({ level, bare = false }: { level: Level; bare?: boolean }) {
  return (
    <span className={`level level-${level}`}>
      <LevelIcon level={level} />
      <span className={bare ? 'visually-hidden' : undefined}>{LEVEL_WORDS[level]}</span>
    </span>
  );
}
