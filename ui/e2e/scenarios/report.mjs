// The HTML report of a real database, opened from the disk: it loads nothing, runs nothing, and everybody can read it.
import assert from 'node:assert/strict';
import { findings } from '../axe.mjs';
import { fits, scenario } from './harness.mjs';

const file = process.env.PGMON_URL;

await scenario(async (page, context) => {
  const asked = [];
  context.on('request', (request) => asked.push(request.url()));
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.goto(file);
    await page.waitForLoadState('networkidle');
    const [background, words] = await page.evaluate(() => [
      getComputedStyle(document.body).backgroundColor,
      document.body.textContent,
    ]);
    const bright =
      background
        .match(/\d+/g)
        .slice(0, 3)
        .map(Number)
        .reduce((a, b) => a + b) > 384;
    assert.equal(bright, colorScheme === 'light', `${colorScheme}: the background is ${background}`);
    assert.match(words, /orders/, 'it is about the database');
    for (const part of await page.locator('details').all()) await part.evaluate((details) => (details.open = true));
    assert.deepEqual(await findings(page, ['critical', 'serious']), [], colorScheme);
    assert.equal(await page.locator('script, link[rel=stylesheet], iframe').count(), 0, 'it runs and loads nothing');
    await fits(page);
  }
  assert.deepEqual(
    asked.filter((url) => url !== file && !url.startsWith('data:')),
    [],
    'something was asked for',
  );
});
