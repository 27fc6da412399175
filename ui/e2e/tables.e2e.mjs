// Long tables and charts, on the fixtures: rows that are not seen are not drawn, and what is drawn is what is known.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { open, settled, watched } from './browser.mjs';
import { serve } from './serve.mjs';

let local;
let browser;
let page;
let complaints;

before(async () => {
  local = await serve({ rows: 2000 });
  browser = await open();
  ({ page, complaints } = await watched(browser.context));
});
after(async () => {
  await browser.close();
  local.server.close();
});

/** What the page has worked so far, in ms of the processor: what others do on this machine does not count. */
async function worked(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  const of = (name) => metrics.find((metric) => metric.name === name).value;
  return (of('ScriptDuration') + of('LayoutDuration') + of('RecalcStyleDuration')) * 1000;
}

const FRAMES = 60;

/** Scrolls a table of the page frame by frame. */
async function scroll(selector, step) {
  const session = await browser.context.newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const before = await worked(session);
  const seen = await page.evaluate(
    async ([where, by, frames]) => {
      const scroller = document.querySelector(where);
      for (let i = 0; i < frames; i += 1) {
        scroller.scrollTop += by;
        await new Promise(requestAnimationFrame);
      }
      // What came into sight last is drawn a frame later.
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const box = scroller.getBoundingClientRect();
      const rows = [...scroller.querySelectorAll('tr.row')].map((row) => row.getBoundingClientRect());
      const head = scroller.querySelector('thead th').getBoundingClientRect();
      return {
        drawn: rows.length,
        heights: [...new Set(rows.map((row) => Math.round(row.height * 4) / 4))],
        rem: Number.parseFloat(getComputedStyle(document.documentElement).fontSize),
        headAt: Math.round(head.top - box.top),
        // Whether rows fill what is seen, under the head.
        filled: rows.some((row) => row.top <= head.bottom + 1) && rows.some((row) => row.bottom >= box.bottom - 1),
        top: scroller.scrollTop,
        height: scroller.scrollHeight,
      };
    },
    [selector, step, FRAMES],
  );
  const frame = ((await worked(session)) - before) / FRAMES;
  await session.detach();
  return { ...seen, frame };
}

describe('2,000 rows', () => {
  for (const width of [390, 1400, 3840]) {
    it(`scroll at ${width}, the head staying, with no more rows drawn than are seen`, async () => {
      await page.setViewportSize({ width, height: 900 });
      await page.goto(`${local.base}storage`);
      await settled(page);
      const where = '#storage-tables .scroller';
      const { frame, drawn, heights, rem, headAt, filled, top, height } = await scroll(where, 300);
      assert.ok(drawn > 10 && drawn < 90, `${drawn} rows are drawn`);
      // A frame of a screen is 16 ms.
      assert.ok(frame < 16, `a frame takes ${frame} ms of work`);
      assert.ok(top > 10_000, `scrolled to ${top}`);
      assert.equal(headAt, 0);
      assert.ok(filled, 'there is a hole in the table');
      // What it reckons with is what is drawn: else the bar jumps, and the end is not the end.
      assert.deepEqual(
        heights,
        [2.0625 * rem].map((each) => Math.round(each * 4) / 4),
      );
      assert.ok(Math.abs(height - 2001 * 2.0625 * rem) < 4 * rem, `${height} px high`);
      const end = await scroll(where, 1e6);
      assert.ok(end.filled, 'the end is empty');
    });
  }

  it('are sorted by key, and the browser has nothing to complain of', async () => {
    await page.setViewportSize({ width: 1400, height: 900 });
    await page.goto(`${local.base}storage`);
    await settled(page);
    const table = page.locator('#storage-tables');
    const head = table.getByRole('columnheader', { name: 'Total' });
    const sizes = async () => (await table.locator('tbody tr.row td.num:nth-child(2)').allTextContents()).slice(0, 10);
    await head.getByRole('button').focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/s\.storage-tables=-total_bytes/);
    assert.equal(await head.getAttribute('aria-sort'), 'descending');
    const falling = await sizes();
    await page.keyboard.press('Enter');
    await page.waitForURL(/s\.storage-tables=total_bytes/);
    assert.equal(await head.getAttribute('aria-sort'), 'ascending');
    assert.notDeepEqual(await sizes(), falling);
    assert.deepEqual(complaints, []);
  });
});

/** In which columns of a chart's picture there is anything of a colour, and in which lines. */
function coloured(variable) {
  return page.evaluate((name) => {
    const canvas = document.querySelector('.chart canvas');
    const probe = document.createElement('canvas').getContext('2d');
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
    const { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    const columns = new Set();
    const lines = new Map();
    for (let i = 0; i < data.length; i += 4) {
      const near = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 60;
      if (!near || data[i + 3] < 128) continue;
      columns.add((i / 4) % width);
      const line = Math.floor(i / 4 / width);
      lines.set(line, (lines.get(line) ?? 0) + 1);
    }
    return { width, columns: [...columns].sort((a, b) => a - b), most: Math.max(0, ...lines.values()) };
  }, variable);
}

describe('a chart', () => {
  before(async () => {
    await page.setViewportSize({ width: 1400, height: 900 });
    await page.goto(`${local.base}?charts=connections`);
    await settled(page);
    await page.locator('.chart canvas').first().waitFor();
    await page.waitForTimeout(300);
  });

  it('draws a gap as a gap, and both thresholds as lines across', async () => {
    const { columns, width } = await coloured('--s1');
    assert.ok(columns.length > width / 2, 'there is a line');
    const gaps = columns.slice(1).map((at, i) => at - columns[i]);
    // 8 % of the time has no figures.
    assert.ok(Math.max(...gaps) > width * 0.05, `the widest gap is ${Math.max(...gaps)} of ${width}`);
    for (const name of ['--warn', '--crit']) {
      const { most } = await coloured(name);
      assert.ok(most > width / 4, `no line of ${name}`);
    }
  });

  it('draws a value between two gaps as a dot', async () => {
    const { columns, width } = await coloured('--s1');
    const runs = [];
    for (const at of columns) {
      const run = runs.at(-1);
      if (run !== undefined && run.at(-1) === at - 1) run.push(at);
      else runs.push([at]);
    }
    const alone = runs.filter((run, i) => {
      const before = runs[i - 1]?.at(-1) ?? Number.NEGATIVE_INFINITY;
      const after = runs[i + 1]?.[0] ?? Number.POSITIVE_INFINITY;
      return Math.min(run[0] - before, after - run.at(-1)) > width * 0.008 && run.length < width * 0.02;
    });
    assert.ok(alone.length > 0, `there is no dot among ${runs.map((run) => `${run[0]}-${run.at(-1)}`)} of ${width}`);
  });

  it('tells what is under the pointer, and that there is nothing in a gap', async () => {
    const plot = page.locator('.chart .u-over').first();
    const legend = page.locator('.chart-legend').first();
    const box = await plot.boundingBox();
    assert.match(await legend.textContent(), /^Latest, /);
    await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
    await page.waitForFunction(() => /^\d\d\/\d\d/.test(document.querySelector('.chart-legend').textContent));
    assert.match(await legend.textContent(), /value \d.* \(\d.* to \d.*\)/);
    await page.mouse.move(box.x + box.width * 0.64, box.y + 40);
    await page.waitForFunction(() => /value –/.test(document.querySelector('.chart-legend').textContent));
    await page.mouse.move(5, 5);
    await page.waitForFunction(() => /^Latest, /.test(document.querySelector('.chart-legend').textContent));
  });

  it('is a table, too, with gaps unknown and not 0', async () => {
    await page.getByRole('button', { name: 'Table' }).first().click();
    const cells = await page.locator('.chart-table tbody td').allTextContents();
    assert.ok(cells.length > 300);
    assert.ok(cells.filter((text) => text === '–').length > 20);
    assert.ok(!cells.includes('0'));
  });
});

describe('what a row is listed for', () => {
  it('stands beside its name at 1400', async () => {
    await page.setViewportSize({ width: 1400, height: 900 });
    for (const [path, panel] of [
      ['storage', 'indexes-findings'],
      ['partitions', 'partitions-tables'],
    ]) {
      await page.goto(`${local.base}${path}`);
      await settled(page);
      const heads = await page.locator(`#${panel} thead th`).allTextContents();
      assert.ok(heads.includes('What of it'), `${panel}: ${heads}`);
    }
  });
});

describe('what many say', () => {
  it('is said once, with the names of all', async () => {
    await page.goto(local.base);
    await settled(page);
    const list = page.locator('#overview-pages .page-list');
    await list.waitFor();
    const said = await list.locator('li').count();
    assert.ok(said < (await list.getByRole('link').count()), 'no sentence stands for several pages');
    const link = list.locator('.page-names').getByRole('link').last();
    const path = new URL(await link.getAttribute('href'), local.base).pathname;
    await link.click();
    await page.waitForURL((url) => url.pathname === path);
  });

  it('figures of long ago say so', async () => {
    await page.goto(`${local.base}storage`);
    await settled(page);
    assert.match(await page.locator('#indexes-findings .panel-head').textContent(), /read 1[67]m \d+s ago/);
    assert.doesNotMatch(await page.locator('#storage-tables .panel-head').textContent(), /read .* ago/);
  });
});
