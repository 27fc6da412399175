import type { Row } from '../api/types';
import type { Column } from '../lib/columns';
import { asText } from '../lib/text';
import { Shown } from './Shown';
import { Time, Value } from './Value';

/** A time as the API writes it. */
const ISO = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

/** What a page makes of a value, and the value itself where that is something else. */
function Fact({ row, column }: { row: Row; column: Column }) {
  const value = row[column.key];
  const text = column.text?.(row);
  if (text === undefined || Array.isArray(value)) return <Value value={value} kind={column.kind} name={column.key} />;
  const raw = value === null || value === undefined || value === '' ? text : asText(value, column.kind, column.key);
  return (
    <>
      <Shown text={text} />
      {raw === text || column.kind === 'level' || typeof value === 'boolean' ? null : (
        <span className="muted raw">{ISO.test(raw) ? <Time at={raw} /> : <Shown text={raw} />}</span>
      )}
    </>
  );
}

/** The figures of one row, each under its name. */
export function FactGrid({ row, columns }: { row: Row; columns: readonly Column[] }) {
  return (
    <dl className="facts-grid">
      {columns.map((column) => (
        <div key={column.key}>
          <dt title={column.help}>{column.label}</dt>
          <dd>
            <Fact row={row} column={column} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
