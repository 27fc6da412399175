// biome-ignore-all lint/performance/useDomNodeTextContent: what is seen is meant, and these are no DOM nodes
// 500 databases: no more rows are in the page than can be seen, and it scrolls. pgmon cannot invent databases: what it
// answers for one is shown 500 times, under other names.
import assert from 'node:assert/strict';
import { base, fits, go, scenario } from './harness.mjs';

const COUNT = 500;

await scenario(
  async (page) => {
    await page.route('**/api/v1/targets*', async (route) => {
      const response = await route.fetch();
      const body = await response.json();
      const [one] = body.data.targets;
      const levels = ['ok', 'ok', 'ok', 'warn', 'crit', 'unknown'];
      body.data.targets = Array.from({ length: COUNT }, (_, n) => ({
        ...one,
        cluster: `cluster-${Math.floor(n / 25)}`,
        db: `database_${String(n).padStart(3, '0')}`,
        level: levels[n % levels.length],
        transactions_per_second: n * 3.7,
      }));
      const counts = { all: COUNT, crit: 0, warn: 0, unknown: 0, ok: 0 };
      for (const { level } of body.data.targets) counts[level] += 1;
      body.data.counts = { ...body.data.counts, ...counts };
      await route.fulfill({ response, json: body });
    });
    await go(page, 'fleet');
    assert.match(await page.locator('#main').innerText(), /500 in all/);
    const rows = () => page.locator('#main tbody tr').count();
    assert.ok((await rows()) > 5 && (await rows()) < 150, `${await rows()} rows are in the page`);
    // As fast as the wheel goes, frame by frame, to the last one.
    await page.evaluate(() => {
      window.frames_ms = [];
      let last = performance.now();
      const tick = (now) => {
        window.frames_ms.push(now - last);
        last = now;
        if (!window.done) requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
    });
    const table = page.locator('#main table').last();
    await table.scrollIntoViewIfNeeded();
    const box = await table.boundingBox();
    await page.mouse.move(box.x + box.width / 2, Math.max(box.y, 100) + 100);
    const last = page.getByText('database_499').first();
    for (let turn = 0; turn < 200 && (await last.count()) === 0; turn += 1) await page.mouse.wheel(0, 400);
    await last.waitFor();
    const frames = await page.evaluate(() => {
      window.done = true;
      return window.frames_ms.slice(1).sort((a, b) => a - b);
    });
    const at = (share) => frames[Math.floor(frames.length * share)];
    console.log(`${frames.length} frames, median ${at(0.5).toFixed(1)} ms, 95 % ${at(0.95).toFixed(1)} ms`);
    // Tests share the machine: no more is asked than that scrolling is no slide show. The figures are printed.
    assert.ok(at(0.5) <= 100, `half of the frames took over ${at(0.5)} ms`);
    assert.ok((await rows()) < 150, 'rows that went out of sight are gone');
    // The filter and the picker find one of them.
    await page.getByRole('button', { name: /^Critical/ }).click();
    await page.waitForURL(/level=crit/);
    await page.keyboard.press('/');
    await page.getByRole('combobox').fill('database_321');
    await page.keyboard.press('Enter');
    await page.waitForURL(/db=database_321/);
    assert.ok(page.url().startsWith(base));
    await page.unroute('**/api/v1/targets*');
    await go(page, 'fleet');
    await fits(page);
  },
  {
    // pgmon knows no database_321 and says so.
    tolerates: [/404|400/],
  },
);
