import type { ReactNode } from 'react';
import { Code } from './Code';

/** For a page whose part of the configuration is empty: what it is for, and how to begin. */
export function NothingConfigured({
  id,
  title,
  example,
  children,
}: {
  id: string;
  title: string;
  example: string;
  children: ReactNode;
}) {
  return (
    <section className="panel" aria-labelledby={`${id}-none`}>
      <div className="panel-head">
        <h2 id={`${id}-none`}>{title}</h2>
      </div>
      <div className="panel-body panel-pad says-more">
        {children}
        <Code text={example} label="Copy the example" />
        <p className="muted">
          Write it into pgmon’s configuration, try it with <code>pgmon check-config</code>, and have pgmon reload.
        </p>
      </div>
    </section>
  );
}
