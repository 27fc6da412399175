// biome-ignore-all lint/performance/useDomNodeTextContent: what is seen is meant, and these are no DOM nodes
// What cannot be seen says which GRANT brings it, where it is missed and on the page of the agent.
import assert from 'node:assert/strict';
import { go, scenario, text } from './harness.mjs';

const GRANT = /GRANT\s+"?pg_monitor"?\s+TO\s+"?blind"?/;

await scenario(async (page) => {
  await go(page, 'activity');
  assert.match(await text(page), /Degraded/);
  assert.match(await text(page), GRANT);
  await go(page, 'agent');
  const missing = page.locator('tr', { hasText: 'pg_monitor' }).filter({ hasText: 'missing' }).first();
  await missing.locator('.expander').click();
  await page.locator('.detail-in').first().waitFor();
  assert.match(await page.locator('.detail-in').first().innerText(), GRANT);
});
