import {
  type ColumnDef,
  getCoreRowModel,
  getFilteredRowModel,
  getSortedRowModel,
  useReactTable,
} from '@tanstack/react-table';
import { type ReactNode, useCallback, useMemo, useState } from 'react';
import type { Row } from '../api/types';
import { useAddress, useZone } from '../lib/address';
import { type ColumnSpec, columnsOf, rowIds, unique } from '../lib/columns';
import { parseSort, writeSort } from '../lib/search';
import { asText } from '../lib/text';
import { fitColumns } from '../lib/widths';
import { type Cells, type Entry, Grid } from './Grid';
import { isLevel, LEVEL_ORDER } from './Level';
import { measureFor } from './measure';
import { needOf, textOf } from './needs';
import { TableTools } from './TableTools';
import { isNumeric } from './Value';

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
  cells?: Cells | undefined;
  /** More about a row, above its fields. */
  detail?: ((row: Row) => ReactNode) | undefined;
  /** What a row is called in the address, where its fields would not tell: it stays the same in the next answer. */
  idOf?: ((row: Row) => string) | undefined;
}

function comparable(value: unknown, kind: string): unknown {
  if (value === null || value === undefined) return undefined;
  if (kind === 'level' && isLevel(value)) return LEVEL_ORDER[value];
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'number' || typeof value === 'string') return value;
  return asText(value, 'list', '');
}

/** The table, and its tools to be put into the panel's head. */
export function useDataTable({ name, label, rows, columns, sort, cells, detail, idOf }: TableProps): {
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
    const ids = idOf === undefined ? rowIds(rows) : unique(rows.map(idOf));
    return rows.map((row, i) => ({ row, id: ids[i] ?? String(i) }));
  }, [rows, idOf]);
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
