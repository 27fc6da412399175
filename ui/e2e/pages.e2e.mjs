// Every page, in both schemes and at three widths: `PGMON_URL=http://127.0.0.1:8181/ npm run e2e`.
// Without PGMON_URL it runs on the fixtures, under a path prefix and with the CSP of the product.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { open, overflow, PAGES, pagesOf, SIZES, scheme, settled, watched } from './browser.mjs';

const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const query = process.env.PGMON_QUERY ?? '';
let local;
let base = process.env.PGMON_URL;
let pages = PAGES;

before(async () => {
  if (base === undefined) {
    local = await (await import('./serve.mjs')).serve({ prefix: '/some/prefix/' });
    base = local.base;
  }
  pages = await pagesOf(base, query);
});
after(() => local?.server.close());

/** What axe finds that matters to somebody. */
async function findings(page) {
  // As an expression, not as a script element: the CSP forbids those.
  await page.evaluate(axe);
  const result = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  );
  return result.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical' || impact === 'moderate')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .slice(0, 3)
          .map((node) => `${node.target} ${node.any[0]?.message ?? ''}`)
          .join('; ')}`,
    );
}

for (const theme of ['light', 'dark']) {
  describe(theme, () => {
    let browser;
    before(async () => {
      browser = await open();
      await scheme(browser.context, theme);
    });
    after(() => browser.close());

    for (const name of Object.keys(PAGES)) {
      it(`${name}: no complaint, nothing too wide, axe finds nothing`, async () => {
        const path = pages[name];
        const { page, complaints } = await watched(browser.context);
        try {
          for (const size of SIZES) {
            await page.setViewportSize(size);
            await page.goto(`${base}${path}${query}`);
            await settled(page);
            assert.equal(await page.getAttribute('html', 'data-mantine-color-scheme'), theme);
            assert.equal(await overflow(page), 0, `wider than ${size.width}`);
            if (size.width !== 390) assert.deepEqual(await findings(page), [], `axe at ${size.width}`);
          }
          assert.deepEqual(complaints, []);
        } finally {
          await page.close();
        }
      });
    }
  });
}

describe('by keyboard and address', () => {
  let browser;
  let page;
  before(async () => {
    browser = await open();
    ({ page } = await watched(browser.context));
  });
  after(() => browser.close());

  it('finds a page, pauses, and lists its keys', async () => {
    await page.goto(`${base}settings${query}`);
    await settled(page);
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('p');
    await page.waitForURL(/every=off/);
    await page.keyboard.press('/');
    await page.getByRole('dialog').getByRole('combobox').fill('wraparound');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/wraparound\?.*every=off/);
    await page.getByRole('heading', { level: 1, name: 'Wraparound' }).waitFor();
  });

  it('shows the SQL that ran, and opens a row, each by key', async () => {
    await page.goto(`${base}settings${query}`);
    await settled(page);
    const toggle = page.locator('.foot-toggle').first();
    await toggle.focus();
    await page.keyboard.press('Enter');
    assert.match(await page.locator('.executed pre').first().textContent(), /select/i);
    const row = page.locator('.expander').first();
    await row.focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/open=/);
    await page.locator('.detail-in').waitFor();
    await page.reload();
    await settled(page);
    await page.locator('.detail-in').waitFor();
  });

  it('keeps filter and sorting in the address', async () => {
    await page.goto(`${base}settings${query}`);
    await settled(page);
    const all = page.locator('#settings-all');
    const word = local === undefined ? 'vacuum' : 'name_1';
    await all.getByRole('searchbox').fill(word);
    await page.waitForURL(new RegExp(`q\\.settings-all=${word}`));
    await all.getByRole('button', { name: 'Name', exact: true }).click();
    await page.waitForURL(/s\.settings-all=name/);
    await page.reload();
    await settled(page);
    assert.equal(await all.getByRole('searchbox').inputValue(), word);
  });

  it('moves along a chart by the arrow keys, and shows it as a table', async () => {
    await page.goto(`${base}${query}`);
    await settled(page);
    const chart = page.getByRole('slider').first();
    await chart.waitFor();
    await chart.focus();
    const latest = await chart.getAttribute('aria-valuenow');
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction((was) => document.activeElement?.getAttribute('aria-valuenow') !== was, latest);
    assert.match(await chart.getAttribute('aria-valuetext'), /\d\d:\d\d:\d\d/);
    await page.getByRole('button', { name: 'Table' }).first().click();
    assert.ok((await page.locator('.chart-table tbody tr').count()) > 10);
  });
});
