// Names are text, whatever is in them: nothing of them runs, and nothing is pushed out of its place.
import assert from 'node:assert/strict';
import { act, fits, go, scenario, text, until } from './harness.mjs';

const inert = async (page) => {
  assert.equal(await page.evaluate(() => window.pwned), undefined, 'a name was run');
  assert.equal(await page.locator('#main img, #main script, #main iframe').count(), 0, 'a name became an element');
};

await scenario(async (page) => {
  const names = JSON.parse(await act('names'));
  for (const path of ['storage', 'autovacuum']) {
    await go(page, path);
    const said = await text(page);
    for (const name of names) {
      // Identifiers are quoted as SQL has it.
      const shown = said.includes(name) || said.includes(name.replaceAll('"', '""'));
      assert.ok(shown, `${path} does not show ${JSON.stringify(name)}`);
    }
    await inert(page);
    await fits(page);
  }
  const renamed = await act('rename');
  await go(page, 'storage');
  await until(page, 'the new name', 30, async () => (await text(page)).includes(renamed));
  await inert(page);
  // They come into the address as well, and out of it.
  await page.locator('.expander').first().click();
  await page.waitForURL(/open=/);
  await page.reload();
  await page.locator('.detail-in').first().waitFor();
  await inert(page);
});
