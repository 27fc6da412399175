import { Checkbox, Popover } from '@mantine/core';
import { IconColumns3, IconDownload } from '@tabler/icons-react';
import type { Row } from '../api/types';
import { useAddress } from '../lib/address';
import type { Column } from '../lib/columns';
import { download, toCsv } from '../lib/export';
import { counted } from '../lib/words';

/** What stands in the head of a table's panel: filter, columns, files. */
export function TableTools({
  name,
  label,
  all,
  visible,
  left,
  shown,
  total,
  onColumns,
}: {
  name: string;
  label: string;
  all: readonly Column[];
  visible: ReadonlySet<string>;
  /** Labels of columns that have no room. */
  left: readonly string[];
  shown: readonly Row[];
  total: number;
  onColumns: (keys: string[]) => void;
}) {
  const [search, change] = useAddress();
  const key = `q.${name}`;
  const fields = all.map((column) => column.key);
  return (
    <div className="table-tools">
      {total > 5 || search[key] !== undefined ? (
        <input
          className="filter"
          type="search"
          placeholder="Filter rows"
          aria-label={`Filter rows of ${label}`}
          value={search[key] ?? ''}
          onChange={(event) => change({ [key]: event.currentTarget.value || undefined })}
        />
      ) : null}
      <Popover position="bottom-end" withinPortal shadow="md" trapFocus>
        <Popover.Target>
          <button
            type="button"
            className={left.length === 0 ? 'control small icon' : 'control small'}
            aria-label={left.length === 0 ? 'Columns' : `Columns, ${left.length} more have no room`}
            title={left.length === 0 ? 'Columns' : `No room here, see a row’s details: ${left.join(', ')}`}
          >
            <IconColumns3 size={15} aria-hidden />
            {left.length === 0 ? null : `+${left.length}`}
          </button>
        </Popover.Target>
        <Popover.Dropdown>
          <div className="choices">
            {all.map((column) => (
              <Checkbox
                key={column.key}
                size="xs"
                py={4}
                label={column.label}
                checked={visible.has(column.key)}
                onChange={(event) => {
                  const on = event.currentTarget.checked;
                  onColumns(fields.filter((field) => (field === column.key ? on : visible.has(field))));
                }}
              />
            ))}
          </div>
        </Popover.Dropdown>
      </Popover>
      <Popover position="bottom-end" withinPortal shadow="md" trapFocus>
        <Popover.Target>
          <button type="button" className="control small icon" aria-label="Export" title="Export">
            <IconDownload size={15} aria-hidden />
          </button>
        </Popover.Target>
        <Popover.Dropdown p={4}>
          <div className="choices">
            <button
              type="button"
              className="choice"
              onClick={() => download(`${name}.csv`, 'text/csv', toCsv(shown, fields))}
            >
              {counted(shown.length, 'row')} as CSV
            </button>
            <button
              type="button"
              className="choice"
              onClick={() => download(`${name}.json`, 'application/json', JSON.stringify(shown, undefined, 2))}
            >
              {counted(shown.length, 'row')} as JSON
            </button>
          </div>
        </Popover.Dropdown>
      </Popover>
    </div>
  );
}
