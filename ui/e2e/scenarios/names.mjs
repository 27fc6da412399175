// Names are text, whatever is in them: nothing of them runs, and nothing is pushed out of its place.
import assert from 'node:assert/strict';
import { act, base, fits, go, scenario, text, until } from './harness.mjs';

const inert = async (page) => {
  assert.equal(await page.evaluate(() => window.pwned), undefined, 'a name was run');
  assert.equal(await page.locator('#main img, #main script, #main iframe').count(), 0, 'a name became an element');
};

/** As people see it: what would turn the letters around is written out. */
const shown = (name) => name.replaceAll('\u202e', '\\u{202e}');

await scenario(async (page) => {
  const names = JSON.parse(await act('names'));
  await go(page, 'storage');
  const answer = await (await page.request.get(`${base}api/v1/storage`)).json();
  for (const name of names) {
    const known = answer.data.panels.tables.rows.find((row) => row.name === name);
    assert.ok(known !== undefined, `the API does not name ${JSON.stringify(name)}`);
    // By its name as it is, not as metrics are labelled with it.
    const row = page
      .locator('#storage-tables tbody tr.row')
      .filter({ hasText: shown(name) })
      .first();
    await row.locator('.expander').click();
    const detail = page.locator('.detail-in').first();
    await detail.getByText(shown(name), { exact: false }).first().waitFor();
    assert.doesNotMatch(await text(page), /[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f]/, name);
    await inert(page);
    await fits(page);
    // Into the address and out of it.
    await page.waitForURL(/open=/);
    await page.reload();
    await page.locator('.detail-in').getByText(shown(name), { exact: false }).first().waitFor();
    await inert(page);
    await go(page, 'storage');
  }
  for (const path of ['autovacuum', 'partitions', 'wraparound', '']) {
    await go(page, path);
    await inert(page);
    await fits(page);
  }
  const renamed = await act('rename');
  await until(page, 'the new name', 30, async () => {
    const rows = (await (await page.request.get(`${base}api/v1/storage`)).json()).data.panels.tables.rows;
    return rows.some((row) => row.name.includes(renamed));
  });
  await go(page, 'storage');
  await inert(page);
  await fits(page);
});
