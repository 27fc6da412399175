import { useMemo } from 'react';

/** A line without axes. Gaps stay gaps. Its figure stands beside it in words. */
export function Sparkline({ values }: { values: readonly (number | null)[] }) {
  const path = useMemo(() => {
    const known = values.filter((value): value is number => value !== null);
    if (known.length < 2) return undefined;
    const low = Math.min(...known);
    const span = Math.max(...known) - low || 1;
    let down = false;
    return values
      .map((value, i) => {
        if (value === null) {
          down = false;
          return '';
        }
        const step = `${down ? 'L' : 'M'}${((i / (values.length - 1)) * 100).toFixed(2)} ${(22 - ((value - low) / span) * 20).toFixed(2)}`;
        down = true;
        return step;
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
