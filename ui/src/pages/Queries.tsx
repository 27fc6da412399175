import { Page, type PageView, viewOf } from '../components/Page';
import { STATEMENT_CELLS, STATEMENTS } from '../components/SharedViews';

const VIEW: PageView = viewOf('top-queries', {
  panels: [{ name: 'top-queries.statements', columns: STATEMENTS, cells: STATEMENT_CELLS }],
});

export default function Queries() {
  return <Page view={VIEW} />;
}
