import { useMemo } from 'react';
import { lonely } from '../lib/points';

/** A line without axes. Gaps stay gaps. Its figure stands beside it in words. */
export function Sparkline({ values }: { values: readonly (number | null)[] }) {
  const path = useMemo(() => {
    const known = values.filter((value): value is number => value !== null);
    if (known.length === 0) return undefined;
    const low = Math.min(...known);
    const span = Math.max(...known) - low || 1;
    const lone = new Set(lonely(values));
    let down = false;
    return values
      .map((value, i) => {
        if (value === null) {
          down = false;
          return '';
        }
        const x = (i / Math.max(1, values.length - 1)) * 100;
        const step = `${down ? 'L' : 'M'}${x.toFixed(2)} ${(22 - ((value - low) / span) * 20).toFixed(2)}`;
        down = true;
        // Nothing leads to it: a line of no length has round ends.
        return lone.has(i) ? `${step}h0` : step;
      })
      .join('');
  }, [values]);
  return (
    <svg className="spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {path === undefined ? null : (
        <path
          d={path}
          fill="none"
          stroke="currentColor"
          strokeWidth="1.5"
          strokeLinecap="round"
          strokeLinejoin="round"
          vectorEffect="non-scaling-stroke"
        />
      )}
    </svg>
  );
}
