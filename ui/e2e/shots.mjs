// Screenshots to look at: `PGMON_URL=... node e2e/shots.mjs [PAGE...]`; without a server, of the fixtures.
import { mkdirSync } from 'node:fs';
import { open, overflow, pagesOf, SIZES, scheme, settled, watched } from './browser.mjs';

const out = process.env.OUT ?? new URL('./out/', import.meta.url).pathname;
mkdirSync(out, { recursive: true });
const wanted = process.argv.slice(2);
const local =
  process.env.PGMON_URL === undefined
    ? await (await import('./serve.mjs')).serve({
        databases: Number(process.env.DATABASES ?? 1),
        api: process.env.PGMON_API,
      })
    : undefined;
const base = process.env.PGMON_URL ?? local.base;
const query = process.env.QUERY ?? '';

for (const theme of (process.env.THEMES ?? 'light').split(',')) {
  const { context, close } = await open();
  await scheme(context, theme);
  const { page, complaints } = await watched(context);
  for (const [name, path] of Object.entries(await pagesOf(base, query))) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    for (const size of SIZES.slice(0, Number(process.env.SIZES ?? 2))) {
      await page.setViewportSize(size);
      await page.goto(`${base}${path}${query}`);
      await settled(page).catch((error) => console.log(name, error.message.split('\n')[0]));
      await page.waitForTimeout(500);
      const wide = await overflow(page);
      await page.screenshot({
        path: `${out}/${name}-${size.width}${theme === 'light' ? '' : `-${theme}`}.png`,
        fullPage: process.env.FULL !== '0',
      });
      console.log(name, size.width, theme, wide > 0 ? `OVERFLOW ${wide}` : '', complaints.splice(0).join(' | '));
    }
  }
  await close();
}
local?.server.close();
