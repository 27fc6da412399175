// Every page, in both schemes and at three widths: `PGMON_URL=http://127.0.0.1:8181/ npm run e2e`.
// Without PGMON_URL it runs on the fixtures, under a path prefix and with the CSP of the product.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { findings } from './axe.mjs';
import { open, overflow, PAGES, pagesOf, SIZES, scheme, scrolled, settled, watched } from './browser.mjs';

const query = process.env.PGMON_QUERY ?? '';
let local;
let base = process.env.PGMON_URL;
let pages = PAGES;

before(async () => {
  if (base === undefined) {
    local = await (await import('./serve.mjs')).serve({ prefix: '/some/prefix/', api: process.env.PGMON_API });
    base = local.base;
  }
  pages = await pagesOf(base, query);
});
after(() => local?.server.close());

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

  it('finds a table of the database, and shows its row', async () => {
    const answer = await fetch(new URL(`api/v1/storage${query}`, base)).then((response) => response.json());
    const table = answer.data.panels.tables.rows[0].relation;
    await page.goto(`${base}settings${query}`);
    await settled(page);
    await page.keyboard.press('/');
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('combobox').fill(table);
    await dialog
      .getByRole('option', { name: `${table} table` })
      .first()
      .waitFor();
    await dialog
      .getByRole('option', { name: `${table} table` })
      .first()
      .click();
    await page.waitForURL(/\/storage\?.*#storage-tables/);
    await settled(page);
    assert.equal(await page.locator('#storage-tables').getByRole('searchbox').inputValue(), table);
    assert.ok((await page.locator('#storage-tables tr.row').count()) > 0);
  });

  it('goes to each page by its keys', async () => {
    await page.goto(`${base}settings${query}`);
    await settled(page);
    for (const [key, path] of Object.entries({ v: 'autovacuum', s: 'storage', w: 'wraparound', a: 'agent', i: 'io' })) {
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      await page.waitForURL(new RegExp(`/${path}`));
    }
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
    const word = (await all.locator('tbody th').first().textContent()).trim();
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

describe('500 databases', () => {
  let many;
  let browser;
  let page;
  let complaints;
  before(async () => {
    const { serve } = await import('./serve.mjs');
    many = await serve({ databases: 500, api: undefined });
    browser = await open();
    ({ page, complaints } = await watched(browser.context));
    await page.goto(`${many.base}fleet`);
    await settled(page);
  });
  after(async () => {
    await browser.close();
    many.server.close();
  });

  it('scroll without drawing them all, and without a pause that is felt', async () => {
    const frames = await scrolled(page);
    assert.ok(frames.rows > 10 && frames.rows < 90, `${frames.rows} rows are drawn`);
    assert.ok(frames.end > 10_000, `scrolled to ${frames.end}`);
    assert.ok(frames.frame > 0 && frames.frame < 33, `a frame takes ${frames.frame} ms`);
  });

  it('are filtered by how bad they are, and lead to one', async () => {
    await page.getByRole('button', { name: /^Warning/ }).click();
    await page.waitForURL(/level=warn/);
    await page.locator('tbody tr.row a').first().click();
    await page.waitForURL(/cluster=cluster-\d+&db=db-\d+/);
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    assert.deepEqual(complaints, []);
  });

  it('refreshing waits while the pointer is on rows', async () => {
    await page.goto(`${many.base}fleet`);
    await settled(page);
    await page.locator('tbody tr.row').first().hover();
    await page.getByRole('button', { name: 'Refresh: Held' }).waitFor();
    await page.locator('h1').hover();
    await page.getByRole('button', { name: 'Refresh: 15 s' }).waitFor();
  });
});
