import { IconArrowDown, IconArrowUp, IconChevronRight } from '@tabler/icons-react';
import {
  type ColumnDef,
  getCoreRowModel,
  getFilteredRowModel,
  getSortedRowModel,
  type Row as TableRow,
  useReactTable,
} from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, type ReactNode, useCallback, useMemo, useRef, useState } from 'react';
import type { Remedy, Row } from '../api/types';
import { useAddress, useZone } from '../lib/address';
import { type Column, type ColumnSpec, columnsOf, rowIds } from '../lib/columns';
import { parseSort, writeSort } from '../lib/search';
import { asText } from '../lib/text';
import { visible } from '../lib/visible';
import { type Fitted, fitColumns } from '../lib/widths';
import { FactGrid } from './FactGrid';
import { isLevel, LEVEL_ORDER } from './Level';
import { measureFor } from './measure';
import { isNarrow, needOf, textOf } from './needs';
import { ScrollBox } from './ScrollBox';
import { Shown } from './Shown';
import { RemedyView, Sql } from './Sql';
import { TableTools } from './TableTools';
import { isNumeric, Value } from './Value';

interface Entry {
  id: string;
  row: Row;
}

export interface TableProps {
  /** Tells its parameters in the address from those of others. */
  name: string;
  /** What it is called where it is not seen. */
  label: string;
  rows: readonly Row[];
  columns: readonly ColumnSpec[];
  /** What to sort by at first: `-total_bytes`. Without it, the order of the answer. */
  sort?: string | undefined;
  /** Cells that are more than a value. */
  cells?: Record<string, (row: Row) => ReactNode> | undefined;
  /** More about a row, above its fields. */
  detail?: ((row: Row) => ReactNode) | undefined;
}

/** More rows than this are drawn only where they are seen. */
const VIRTUAL_FROM = 60;
/** In rem, as `tr.row` has it. */
const ROW_HEIGHT = 2.0625;
const DETAIL_HEIGHT = 20;

function comparable(value: unknown, kind: string): unknown {
  if (value === null || value === undefined) return undefined;
  if (kind === 'level' && isLevel(value)) return LEVEL_ORDER[value];
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'number' || typeof value === 'string') return value;
  return asText(value, 'list', '');
}

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

/** The table, and its tools to be put into the panel's head. */
export function useDataTable({ name, label, rows, columns, sort, cells, detail }: TableProps): {
  tools: ReactNode;
  table: ReactNode;
} {
  const [search, change] = useAddress();
  const { shown: first, more } = useMemo(() => columnsOf(rows, columns), [rows, columns]);
  const all = useMemo(() => [...first, ...more], [first, more]);
  const zone = useZone();
  const [size, setSize] = useState({ width: 0, rem: 16 });
  const onSize = useCallback(
    (width: number, rem: number) =>
      setSize((before) => (before.width === width && before.rem === rem ? before : { width, rem })),
    [],
  );
  const chosen = search[`c.${name}`];
  const wanted = useMemo(() => {
    const keys = chosen?.split(',');
    return keys === undefined ? first : all.filter((column) => keys.includes(column.key));
  }, [chosen, first, all]);
  const entries = useMemo<Entry[]>(() => {
    const ids = rowIds(rows);
    return rows.map((row, i) => ({ row, id: ids[i] ?? String(i) }));
  }, [rows]);
  const defs = useMemo<ColumnDef<Entry>[]>(
    () =>
      all.map((column) => ({
        id: column.key,
        accessorFn: (entry) => comparable(entry.row[column.key], column.kind),
        sortingFn:
          isNumeric(column.kind) || column.kind === 'level' || column.kind === 'bool' ? 'basic' : 'alphanumeric',
        sortUndefined: 'last',
        // Ids of more than 2^53 are texts; as such they sort by their digits.
        sortDescFirst: isNumeric(column.kind) || column.kind === 'level',
      })),
    [all],
  );
  const sorting = parseSort(search[`s.${name}`] ?? sort);
  const sortable = sorting !== undefined && all.some((column) => column.key === sorting.key);
  const [sortKey, sortDesc] = sortable ? [sorting.key, sorting.desc] : [undefined, false];
  // The same array as long as it says the same: a new one would sort anew at each drawing.
  const sortingState = useMemo(
    () => (sortKey === undefined ? [] : [{ id: sortKey, desc: sortDesc }]),
    [sortKey, sortDesc],
  );
  const table = useReactTable({
    data: entries,
    columns: defs,
    state: {
      sorting: sortingState,
      globalFilter: search[`q.${name}`] ?? '',
    },
    autoResetPageIndex: false,
    autoResetExpanded: false,
    getRowId: (entry) => entry.id,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
    getFilteredRowModel: getFilteredRowModel(),
    getColumnCanGlobalFilter: () => true,
    globalFilterFn: (row, id, wanted: string) => {
      const column = all.find((each) => each.key === id);
      if (column === undefined) return false;
      // What a metric is labelled with, as well as what is shown.
      const raw = row.original.row[column.key];
      const texts = [textOf(column, row.original.row), typeof raw === 'string' ? raw : ''];
      return texts.some((text) => text.toLowerCase().includes(wanted.toLowerCase()));
    },
  });
  const found = table.getRowModel().rows;
  const needs = useMemo(() => {
    const measure = measureFor(size.rem);
    return wanted.map((column, i) => needOf(column, rows, measure, zone, i === 0, size.width));
  }, [wanted, rows, size, zone]);
  const fitted = useMemo(
    () => fitColumns(needs, size.width, new Set(sortKey === undefined ? [] : [sortKey]), chosen !== undefined),
    [needs, size.width, sortKey, chosen],
  );
  const seen = useMemo(() => wanted.filter((column) => fitted.keys.includes(column.key)), [wanted, fitted]);
  const shownKeys = useMemo(() => new Set(fitted.keys), [fitted]);
  const onSort = (key: string) => {
    const falling = table.getColumn(key)?.columnDef.sortDescFirst ?? false;
    const next =
      sorting?.key !== key ? { key, desc: falling } : sorting.desc === falling ? { key, desc: !falling } : undefined;
    change({ [`s.${name}`]: writeSort(next) ?? (sort === undefined ? undefined : '-') });
  };
  return {
    tools: (
      <TableTools
        name={name}
        label={label}
        all={all}
        visible={shownKeys}
        left={wanted.filter((column) => fitted.left.includes(column.key)).map((column) => column.label)}
        shown={found.map((entry) => entry.original.row)}
        total={rows.length}
        onColumns={(keys) => change({ [`c.${name}`]: keys.join(',') })}
      />
    ),
    table: (
      <Grid
        name={name}
        label={label}
        found={found}
        total={rows.length}
        columns={seen}
        all={all}
        fitted={fitted}
        size={size}
        onSize={onSize}
        sorting={sortable ? sorting : undefined}
        onSort={onSort}
        cells={cells}
        detail={detail}
      />
    ),
  };
}

export function DataTable(props: TableProps) {
  return useDataTable(props).table;
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
  cells: TableProps['cells'];
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

function Grid({
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
  cells: TableProps['cells'];
  detail: TableProps['detail'];
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
