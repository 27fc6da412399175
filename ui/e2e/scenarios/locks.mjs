// biome-ignore-all lint/performance/useDomNodeTextContent: what is seen is meant, and these are no DOM nodes
// A lock chain is on the page within one interval, its root first, without anybody touching the page.
import assert from 'node:assert/strict';
import { act, go, scenario } from './harness.mjs';

// pgmon looks every second here; the page asks every 5 s, and both together may take a little.
const REFRESH = 5;
const SLACK = 2;

await scenario(async (page) => {
  await go(page, 'activity?every=5');
  assert.equal(await page.locator('li.lock').count(), 0, 'nothing waits yet');
  const root = await act('chain');
  const began = Date.now();
  const first = page.locator('li.lock').first();
  await first.waitFor({ timeout: 30_000 });
  const took = (Date.now() - began) / 1000;
  assert.ok(took <= 1 + REFRESH + SLACK, `after ${took} s`);
  const said = (await first.innerText()).replaceAll(/\s+/g, ' ');
  assert.ok(said.includes(`PID ${root}`), `the root is ${root}: ${said}`);
  assert.match(said, /root blocker.*blocks 3 sessions/);
  assert.match(said, /idle in transaction/);
  assert.equal(await page.locator('li.lock').count(), 4);
  assert.match(await page.locator('li.lock').last().innerText(), /waits .* for /);
  // What helps is shown to be copied, and says what it does.
  const remedy = first.locator('details.remedy').first();
  await remedy.locator('summary').click();
  assert.match(await remedy.innerText(), new RegExp(`pg_terminate_backend\\(${root}\\)`));
  // While the pointer is on rows they do not change.
  await page.mouse.move(700, 5);
  await act('release');
  await page.locator('li.lock').first().waitFor({ state: 'detached', timeout: 30_000 });
});
