// A server that hangs makes its page stale, then down; when it is back, so is the page.
import assert from 'node:assert/strict';
import { act, go, scenario, text, until } from './harness.mjs';

await scenario(async (page) => {
  await go(page, 'activity?every=5');
  assert.doesNotMatch(await text(page), /\bStale\b/);
  await act('pause');
  const stale = await until(page, 'its figures are stale', 60, async () => /\bStale\b/.test(await text(page)));
  const down = await until(page, 'it is down', 60, async () => /\bdown for\b/.test(await text(page)));
  assert.ok(stale.took + down.took > 1, 'not before it was noticed');
  assert.match(await text(page), /\bStale\b/, 'figures of before are not shown as new');
  await go(page, 'fleet');
  assert.match(await text(page), /does not answer|down|cannot/i);
  await act('resume');
  await go(page, 'activity?every=5');
  await until(page, 'it is up again', 60, async () => {
    const said = await text(page);
    return /\bwatched for\b/.test(said) && !/\bStale\b/.test(said);
  });
});
