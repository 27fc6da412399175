import type { Row } from '../api/types';
import type { Column } from '../lib/columns';
import { Value } from './Value';

/** The figures of one row, each under its name. */
export function FactGrid({ row, columns }: { row: Row; columns: readonly Column[] }) {
  return (
    <dl className="facts-grid">
      {columns.map((column) => (
        <div key={column.key}>
          <dt title={column.help}>{column.label}</dt>
          <dd>
            <Value value={row[column.key]} kind={column.kind} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
