// No text is cut, on no page, at no width, from a telephone to a large screen: `PGMON_URL=... npm run e2e`, or on the
// fixtures. What may be cut, and how, says clipped.mjs.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { open, PAGES, pagesOf, settled, watched } from './browser.mjs';
import { clipped } from './clipped.mjs';

const WIDTHS = [360, 390, 768, 1024, 1400, 1920, 2560, 3840];
const query = process.env.PGMON_QUERY ?? '';
let locals = [];
let base = process.env.PGMON_URL;
let fleet = base;
let pages = PAGES;
let browser;

async function resize(page, width) {
  await page.setViewportSize({ width, height: 900 });
  // What knows its width learns of the new one a frame later.
  await page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 60)))),
  );
}

before(async () => {
  if (base === undefined) {
    const { serve } = await import('./serve.mjs');
    locals = [await serve({ api: process.env.PGMON_API }), await serve({ databases: 60, api: process.env.PGMON_API })];
    base = locals[0].base;
    fleet = locals[1].base;
  }
  pages = await pagesOf(base, query);
  browser = await open();
});
after(async () => {
  await browser.close();
  for (const { server } of locals) server.close();
});

describe('nothing is cut', () => {
  for (const name of Object.keys(PAGES)) {
    it(name, async () => {
      const { page } = await watched(browser.context);
      try {
        await page.setViewportSize({ width: WIDTHS[0], height: 900 });
        await page.goto(`${name === 'fleet' ? fleet : base}${pages[name]}${query}`);
        await settled(page);
        const found = [];
        for (const width of WIDTHS) {
          await resize(page, width);
          found.push(...(await clipped(page)).map((what) => `${width}: ${what}`));
        }
        // With a row open, and with all columns chosen: then it scrolls, and says so.
        const expander = page.locator('.expander').first();
        if ((await expander.count()) > 0) {
          await expander.click();
          for (const width of [390, 1400, 3840]) {
            await resize(page, width);
            found.push(...(await clipped(page)).map((what) => `${width}, a row open: ${what}`));
          }
        }
        assert.deepEqual(found, []);
      } finally {
        await page.close();
      }
    });
  }

  it('what scrolls sideways shows an edge, and no figure is half behind it', async () => {
    const { page } = await watched(browser.context);
    try {
      await page.setViewportSize({ width: 1400, height: 900 });
      await page.goto(`${base}queries${query}`);
      await settled(page);
      const heads = await page.locator('#top-queries-statements thead th').count();
      const button = page.locator('#top-queries-statements').getByRole('button', { name: /^Columns/ });
      await button.click();
      for (const box of await page.getByRole('checkbox').all()) await box.check();
      await page.keyboard.press('Escape');
      assert.ok((await page.locator('#top-queries-statements thead th').count()) > heads);
      for (const width of WIDTHS) {
        await resize(page, width);
        assert.deepEqual(await clipped(page), [], `at ${width}`);
      }
      await resize(page, 1024);
      const frame = page.locator('#top-queries-statements .scroll-frame');
      const edges = () =>
        frame.evaluate((element) => [element.hasAttribute('data-left'), element.hasAttribute('data-right')]);
      assert.deepEqual(await edges(), [false, true]);
      await frame.locator('.scroller').evaluate((element) => element.scrollTo(1e6, 0));
      await resize(page, 1024);
      assert.deepEqual(await edges(), [true, false]);
    } finally {
      await page.close();
    }
  });
});
