// Everything by keyboard: each page is reached, what has the focus is seen, nothing traps it.
import assert from 'node:assert/strict';
import { base, go, scenario } from './harness.mjs';

const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const outlined = style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) > 0;
    return {
      tag: element.tagName,
      href: element.getAttribute('href'),
      name: element.getAttribute('aria-label') ?? element.textContent.trim().slice(0, 40),
      seen: outlined || style.boxShadow !== 'none',
      key: element.outerHTML.slice(0, 200),
    };
  });

await scenario(async (page) => {
  await go(page, 'settings?every=off');
  await page.keyboard.press('Tab');
  assert.equal((await focused(page)).href, '#main', 'first of all, a way past the navigation');
  const links = new Set();
  const unseen = [];
  let first;
  for (let step = 0; step < 400; step += 1) {
    await page.keyboard.press('Tab');
    const now = await focused(page);
    if (now.tag === 'BODY' || now.key === first) break;
    first ??= now.key;
    if (!now.seen) unseen.push(`${now.tag} ${now.name}`);
    if (now.tag === 'A' && now.href !== null) links.add(new URL(now.href, base).pathname);
  }
  assert.deepEqual(unseen, [], 'what has the focus must be seen');
  for (const path of [
    'fleet',
    'activity',
    'queries',
    'autovacuum',
    'storage',
    'partitions',
    'replication',
    'wraparound',
    'io',
    'agent',
  ])
    assert.ok(links.has(new URL(path, base).pathname), `Tab does not come by ${path}`);
  // To another page, and back.
  await page.locator('nav a[href*="wraparound"]').first().focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Wraparound' }).waitFor();
  for (const [key, place] of [
    ['o', /\/(\?|$)/],
    ['f', /\/fleet/],
    ['l', /\/activity/],
    ['q', /\/queries/],
  ]) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.waitForURL(place);
  }
  // Menus open, move and close, and give the focus back.
  const colours = page.getByRole('button', { name: 'Colours' });
  await colours.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Dark' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Escape');
  await page.getByRole('menuitem', { name: 'Dark' }).waitFor({ state: 'detached' });
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Colours');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  for (let step = 0; step < 10; step += 1) await page.keyboard.press('Tab');
  assert.ok(
    await page.evaluate(() => document.activeElement.closest('[role=dialog]') !== null),
    'the dialog keeps the focus',
  );
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
});
