import { type ReactNode, type RefObject, useEffect, useLayoutEffect, useRef } from 'react';
import { rootSize } from './measure';

/** What scrolls sideways says so: an edge behind which there is more has a shadow. */
export function ScrollBox({
  label,
  className,
  box,
  onSize,
  hold = false,
  children,
}: {
  label: string;
  className: string;
  box?: RefObject<HTMLDivElement | null>;
  /** Its width inside, and the size of a rem, whenever one of them changes. */
  onSize?: (width: number, rem: number) => void;
  hold?: boolean;
  children: ReactNode;
}) {
  const own = useRef<HTMLDivElement>(null);
  const scroller = box ?? own;
  const told = useRef(onSize);
  told.current = onSize;

  // Before the first paint, so that nothing moves.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element !== null) told.current?.(element.clientWidth, rootSize());
  }, [scroller]);

  useEffect(() => {
    const element = scroller.current;
    const frame = element?.parentElement;
    if (element === null || frame === null || frame === undefined) return;
    const edges = () => {
      frame.toggleAttribute('data-left', element.scrollLeft > 1);
      frame.toggleAttribute('data-right', element.scrollLeft + element.clientWidth < element.scrollWidth - 1);
    };
    const observer = new ResizeObserver(() => {
      told.current?.(element.clientWidth, rootSize());
      edges();
    });
    observer.observe(element);
    for (const child of element.children) observer.observe(child);
    element.addEventListener('scroll', edges, { passive: true });
    edges();
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', edges);
    };
  }, [scroller]);

  return (
    <div className="scroll-frame">
      <section
        className={className}
        ref={scroller}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
        tabIndex={0}
        aria-label={label}
        {...(hold ? { 'data-hold': true } : {})}
      >
        {children}
      </section>
    </div>
  );
}
