// Behind a proxy, under a path: pages, addresses, reloads, and everything that is loaded.
import assert from 'node:assert/strict';
import { base, go, scenario } from './harness.mjs';

await scenario(async (page) => {
  const { pathname } = new URL(base);
  assert.ok(pathname.length > 1 && pathname.endsWith('/'), `${base} has no prefix`);
  const outside = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(base)) outside.push(request.url());
  });
  await go(page, '');
  await page.locator('nav a[href*="storage"]').first().click();
  await page.waitForURL(`${base}storage*`);
  await page.reload();
  await page.getByRole('heading', { level: 1, name: /Storage/ }).waitFor();
  const missing = await page.request.get(`${base}assets/nothing.js`, { headers: { accept: 'text/html' } });
  assert.equal(missing.status(), 404);
  const index = await page.request.get(base);
  const policy = index.headers()['content-security-policy'];
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(index.headers()['cache-control'], 'no-cache');
  const script = (await index.text()).match(/src="\.\/(assets\/index[^"]+)"/)[1];
  assert.match((await page.request.get(base + script)).headers()['cache-control'], /immutable/);
  assert.deepEqual(outside, [], 'it asked outside of its path');
});
