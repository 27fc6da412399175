import { IconArrowDown, IconArrowUp, IconChevronRight } from '@tabler/icons-react';
import type { Row as TableRow } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, type ReactNode, useCallback, useMemo, useRef } from 'react';
import type { Remedy, Row } from '../api/types';
import { useAddress } from '../lib/address';
import type { Column } from '../lib/columns';
import { visible } from '../lib/visible';
import type { Fitted } from '../lib/widths';
import { FactGrid } from './FactGrid';
import { isNarrow, textOf } from './needs';
import { ScrollBox } from './ScrollBox';
import { Shown } from './Shown';
import { RemedyView, Sql } from './Sql';
import { isNumeric, Value } from './Value';

export interface Entry {
  id: string;
  row: Row;
}

/** Cells that are more than a value. */
export type Cells = Record<string, (row: Row) => ReactNode>;

/** More rows than this are drawn only where they are seen. */
const VIRTUAL_FROM = 60;
/** In rem, as `tr.row` has it. */
const ROW_HEIGHT = 2.0625;
const DETAIL_HEIGHT = 20;

function isRemedy(value: unknown): value is Remedy {
  return typeof value === 'object' && value !== null && 'sql' in value && 'lock' in value;
}

/** All that is known of a row. */
function Detail({ row, columns, more }: { row: Row; columns: readonly Column[]; more?: ReactNode }) {
  const texts = columns.filter((column) => column.kind === 'sql' && typeof row[column.key] === 'string');
  const facts = columns.filter((column) => column.kind !== 'sql' && column.kind !== 'remedy' && column.key !== 'hint');
  return (
    <div className="detail-in" data-hold>
      {more}
      {typeof row.hint === 'string' ? (
        <p>
          <Shown text={row.hint} lines />
        </p>
      ) : null}
      {isRemedy(row.remedy) ? <RemedyView remedy={row.remedy} /> : null}
      {texts.map((column) => (
        <Sql key={column.key} sql={String(row[column.key])} />
      ))}
      <FactGrid row={row} columns={facts} />
    </div>
  );
}

/** A row; drawn anew only if something of it is new, not at each step of scrolling. */
const BodyRow = memo(function BodyRow({
  id,
  row,
  columns,
  cells,
  open,
  onToggle,
}: {
  id: string;
  row: Row;
  columns: readonly Column[];
  cells: Cells | undefined;
  open: boolean;
  onToggle: (id: string, open: boolean) => void;
}) {
  return (
    <tr className="row">
      {columns.map((column, place) => {
        const text = visible(textOf(column, row));
        const own = column.text?.(row);
        const inside =
          cells?.[column.key]?.(row) ??
          (own === undefined ? (
            <Value value={row[column.key]} kind={column.kind} name={column.key} inCell />
          ) : (
            <Shown text={own} />
          ));
        const kind = isNumeric(column.kind) ? 'num' : '';
        return place === 0 ? (
          <th key={column.key} scope="row" className={`first ${kind}`} title={text.slice(0, 500)}>
            <span className="first-in">
              <button
                type="button"
                className="expander"
                aria-expanded={open}
                aria-label={`Details of ${text.slice(0, 80)}`}
                onClick={() => onToggle(id, open)}
              >
                <IconChevronRight size={14} aria-hidden />
              </button>
              <span>{inside}</span>
            </span>
          </th>
        ) : (
          <td key={column.key} className={kind} title={column.kind === 'level' ? undefined : text.slice(0, 500)}>
            {inside}
          </td>
        );
      })}
    </tr>
  );
});

/** The rows, of many only those that are seen. */
export function Grid({
  name,
  label,
  found,
  total,
  columns,
  all,
  fitted,
  size,
  onSize,
  sorting,
  onSort,
  cells,
  detail,
}: {
  name: string;
  label: string;
  found: TableRow<Entry>[];
  total: number;
  columns: readonly Column[];
  all: readonly Column[];
  fitted: Fitted;
  size: { width: number; rem: number };
  onSize: (width: number, rem: number) => void;
  sorting: { key: string; desc: boolean } | undefined;
  onSort: (key: string) => void;
  cells: Cells | undefined;
  detail: ((row: Row) => ReactNode) | undefined;
}) {
  const [search, change] = useAddress();
  const scroller = useRef<HTMLDivElement>(null);
  const openId = search.open?.startsWith(`${name}:`) === true ? search.open.slice(name.length + 1) : undefined;
  const items = useMemo(
    () =>
      found.flatMap((row) =>
        row.id === openId
          ? [
              { row, detail: false },
              { row, detail: true },
            ]
          : [{ row, detail: false }],
      ),
    [found, openId],
  );
  const virtual = items.length > VIRTUAL_FROM;
  // The same functions as long as the rows are the same: new ones would make it measure anew at each drawing.
  const sizeOf = useCallback(
    (i: number) => (items[i]?.detail === true ? DETAIL_HEIGHT : ROW_HEIGHT) * size.rem,
    [items, size.rem],
  );
  // With the size of a rem: at another one each row has another height.
  const keyOf = useCallback((i: number) => `${items[i]?.row.id} ${items[i]?.detail} ${size.rem}`, [items, size.rem]);
  const scrolled = useCallback(() => scroller.current, []);
  const virtualizer = useVirtualizer({
    count: items.length,
    enabled: virtual,
    getScrollElement: scrolled,
    estimateSize: sizeOf,
    getItemKey: keyOf,
    overscan: 12,
  });
  const onToggle = useCallback(
    (id: string, open: boolean) => change({ open: open ? undefined : `${name}:${id}` }),
    [change, name],
  );
  const least = fitted.widths.reduce((sum, each) => sum + each, 0);
  const drawn = virtual ? virtualizer.getVirtualItems().map((item) => item.index) : items.map((_, i) => i);
  const before = virtual ? (virtualizer.getVirtualItems()[0]?.start ?? 0) : 0;
  const after = virtual ? virtualizer.getTotalSize() - (virtualizer.getVirtualItems().at(-1)?.end ?? 0) : 0;
  if (total > 0 && found.length === 0) return <p className="empty">No row has that text.</p>;
  return (
    <ScrollBox className="scroller" box={scroller} hold onSize={onSize} label={`Rows of ${label}`}>
      <table
        className={isNarrow(size.width, size.rem) ? 'grid narrow' : 'grid'}
        aria-rowcount={found.length + 1}
        ref={(element) => {
          // Set through the DOM: the CSP has no style attributes.
          element?.style.setProperty('min-width', `${least}px`);
          element?.style.setProperty('--seen', size.width === 0 ? '100%' : `${size.width}px`);
        }}
      >
        <colgroup>
          {columns.map((column, i) => (
            <col key={column.key} width={i === fitted.grow ? undefined : fitted.widths[i]} />
          ))}
        </colgroup>
        <thead>
          <tr>
            {columns.map((column, i) => {
              const sorted = sorting?.key === column.key ? sorting : undefined;
              return (
                <th
                  key={column.key}
                  scope="col"
                  className={`${isNumeric(column.kind) ? 'num' : ''}${i === 0 ? ' first' : ''}`}
                  aria-sort={sorted === undefined ? undefined : sorted.desc ? 'descending' : 'ascending'}
                >
                  <button type="button" className="sorter" title={column.help} onClick={() => onSort(column.key)}>
                    <span>{column.label}</span>
                    {sorted === undefined ? null : sorted.desc ? (
                      <IconArrowDown size={13} aria-hidden />
                    ) : (
                      <IconArrowUp size={13} aria-hidden />
                    )}
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {before > 0 ? (
            <tr className="spacer">
              <td colSpan={columns.length} height={before} />
            </tr>
          ) : null}
          {drawn.map((i) => {
            const item = items[i];
            if (item === undefined) return null;
            const { row, id } = item.row.original;
            if (item.detail) {
              return (
                <tr key={`${id} detail`} data-index={i} ref={virtual ? virtualizer.measureElement : undefined}>
                  <td className="detail" colSpan={columns.length}>
                    <Detail row={row} columns={all} more={detail?.(row)} />
                  </td>
                </tr>
              );
            }
            return (
              <BodyRow
                key={id}
                id={id}
                row={row}
                columns={columns}
                cells={cells}
                open={id === openId}
                onToggle={onToggle}
              />
            );
          })}
          {after > 0 ? (
            <tr className="spacer">
              <td colSpan={columns.length} height={after} />
            </tr>
          ) : null}
        </tbody>
      </table>
    </ScrollBox>
  );
}
