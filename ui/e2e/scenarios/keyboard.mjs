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
    'clusters',
    'services',
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
    ['f', /\/fleet/],
    ['h', /\/clusters/],
    ['e', /\/services/],
    ['l', /\/activity/],
    ['q', /\/queries/],
    ['v', /\/autovacuum/],
    ['s', /\/storage/],
    ['p', /\/partitions/],
    ['r', /\/replication/],
    ['w', /\/wraparound/],
    ['i', /\/io/],
    ['c', /\/settings/],
    ['a', /\/agent/],
    ['o', /\/(\?|$)/],
  ]) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.waitForURL(place);
  }
  // A table is sorted by its heads.
  await go(page, 'settings?every=off');
  const head = page.locator('#settings-all .sorter').first();
  await head.focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/s\.settings-all=/);
  // The time range, by its keys and by its menu.
  await page.keyboard.press(']');
  await page.waitForURL(/t=6h/);
  await page.keyboard.press('[');
  await page.waitForFunction(() => !location.search.includes('t=6h'));
  const range = page.getByRole('button', { name: /^Time range/ });
  await range.focus();
  await page.keyboard.press('Enter');
  const day = page.getByRole('menuitem', { name: '24 hours' });
  await day.waitFor();
  await day.focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/t=24h/);
  // Refreshing, by its menu; keys of the page are not pressed in it.
  const every = page.getByRole('button', { name: /^Refresh: / });
  await every.focus();
  await page.keyboard.press('Enter');
  const minute = page.getByRole('menuitem', { name: 'Every minute' });
  await minute.waitFor();
  await minute.focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/every=60/);
  // The finder opens from the picker, and gives the focus back.
  const picker = page.getByTitle('Choose a database, or search (/)');
  await picker.focus();
  await page.keyboard.press('Enter');
  const box = page.getByRole('combobox', { name: /Search/ });
  await box.waitFor();
  await page.keyboard.press('Escape');
  await box.waitFor({ state: 'detached' });
  await page.waitForFunction(() => document.activeElement?.getAttribute('title')?.startsWith('Choose a database'));
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
