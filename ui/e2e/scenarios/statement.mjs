// A queryid beyond 2^53 stays what it is: in the list, in the address, and on its own page.
import assert from 'node:assert/strict';
import { act, go, scenario, text, until } from './harness.mjs';

await scenario(async (page) => {
  const id = await act('queryid');
  assert.ok(!Number.isSafeInteger(Number(id)), `${id} could be a JavaScript number`);
  await go(page, 'queries');
  const link = page.locator(`#main a[href*="/queries/${id}"]`).first();
  await until(page, `a link to ${id}`, 30, async () => (await link.count()) > 0);
  await link.click();
  await page.waitForURL(`**/queries/${id}*`);
  await page.getByText('pgmon_browser_probe').first().waitFor();
  const said = await text(page);
  assert.ok(said.includes(id), said);
  // A reload finds it by the address alone.
  await page.reload();
  await page.getByText('pgmon_browser_probe').first().waitFor();
  assert.ok((await text(page)).includes(id));
});
