// biome-ignore-all lint/performance/useDomNodeTextContent: what is seen is meant, and these are no DOM nodes
// Times are the reader's own; with tz=utc they are UTC. Asia/Kathmandu is 5:45 ahead.
import assert from 'node:assert/strict';
import { go, scenario } from './harness.mjs';

const ZONE = 'Asia/Kathmandu';

const clock = (at, zone) =>
  new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(new Date(at));

await scenario(
  async (page) => {
    for (const [query, zone, other] of [
      ['', ZONE, 'UTC'],
      ['?tz=utc', 'UTC', ZONE],
    ]) {
      await go(page, `activity${query}`);
      await page.locator('.foot-toggle').first().click();
      const time = page.locator('.executed time').first();
      await time.waitFor();
      const at = await time.getAttribute('datetime');
      assert.ok((await time.innerText()).includes(clock(at, zone)), `${await time.innerText()} is ${at} in ${zone}`);
      assert.ok((await time.getAttribute('title')).includes(clock(at, other)), 'the other one is told on hovering');
    }
    assert.notEqual(clock(0, ZONE), clock(0, 'UTC'));
  },
  { timezoneId: ZONE },
);
