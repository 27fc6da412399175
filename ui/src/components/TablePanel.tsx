import type { Executed, Panel, Row } from '../api/types';
import type { ColumnSpec } from '../lib/columns';
import { useDataTable } from './DataTable';
import type { PanelView } from './Page';
import { NoRows, PanelFrame } from './Panel';

const NO_COLUMNS: readonly ColumnSpec[] = [];
const NO_ROWS: readonly Row[] = [];

interface FrameProps {
  id: string;
  panel: Panel;
  executed: readonly Executed[];
  receivedAt: number;
  size: '' | 'half' | 'half tall';
}

/** A panel with a table, whose tools stand in its head. */
export default function TablePanel({
  view,
  panel,
  frame,
}: {
  view: PanelView;
  panel: Panel;
  frame: Omit<FrameProps, 'panel'>;
}) {
  const rows = panel.rows ?? NO_ROWS;
  const { tools, table } = useDataTable({
    name: frame.id,
    label: panel.title,
    rows,
    columns: view.columns ?? NO_COLUMNS,
    sort: view.sort,
    cells: view.cells,
    detail: view.detail,
  });
  return (
    <PanelFrame {...frame} panel={panel} tools={rows.length > 0 ? tools : undefined}>
      {rows.length > 0 ? table : <NoRows panel={panel} />}
    </PanelFrame>
  );
}
