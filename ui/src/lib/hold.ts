/** Refreshing waits while somebody reads closely: the pointer is on rows, or text is selected. */

import { useSyncExternalStore } from 'react';

const reasons = new Set<string>();
const listeners = new Set<() => void>();

function set(reason: string, on: boolean): void {
  if (reasons.has(reason) === on) return;
  if (on) reasons.add(reason);
  else reasons.delete(reason);
  for (const listener of listeners) listener();
}

/** Listens to the whole page; what is to hold is marked `data-hold`. */
export function watchHolds(): () => void {
  const over = (event: PointerEvent) => {
    if (event.pointerType !== 'mouse') return;
    set('pointer', event.target instanceof Element && event.target.closest('[data-hold]') !== null);
  };
  const left = () => set('pointer', false);
  const selected = () => {
    const selection = document.getSelection();
    set('selection', selection !== null && !selection.isCollapsed && selection.toString().trim() !== '');
  };
  document.addEventListener('pointerover', over);
  document.documentElement.addEventListener('pointerleave', left);
  document.addEventListener('selectionchange', selected);
  return () => {
    document.removeEventListener('pointerover', over);
    document.documentElement.removeEventListener('pointerleave', left);
    document.removeEventListener('selectionchange', selected);
    reasons.clear();
  };
}

export function useHeld(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => reasons.size > 0,
  );
}
