// biome-ignore-all lint/performance/useDomNodeTextContent: what is seen is meant, and these are no DOM nodes
// What scenarios share. `crates/pgmon/tests/it/browser.rs` starts servers, pgmon and one scenario at a time, and does
// to the servers what the scenario asks for: a line `@do WHAT` on standard output, answered by a line on standard input.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { open, overflow, settled, watched } from '../browser.mjs';

export const base = process.env.PGMON_URL;
if (base === undefined)
  throw new Error('PGMON_URL is not set: cargo nextest run -p pgmon --run-ignored only browser::');

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has something done to the servers; returns what is said about it. */
export async function act(what) {
  process.stdout.write(`@do ${what}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`nobody answers to ${what}`);
  return value;
}

/** Runs `body` on a page of its own, and fails if the browser complained of anything. */
export async function scenario(body, { tolerates = [], ...options } = {}) {
  const browser = await open(options);
  const { page, complaints } = await watched(browser.context);
  try {
    await body(page, browser.context);
    const left = complaints.filter((text) => !tolerates.some((pattern) => pattern.test(text)));
    assert.deepEqual(left, [], 'the browser complained');
  } catch (error) {
    console.error(await page.evaluate(() => document.body.innerText).catch(() => 'the page is gone'));
    throw error;
  } finally {
    await browser.close();
  }
  process.exit(0);
}

/** Opens a page and waits until it has its figures. */
export async function go(page, path) {
  await page.goto(base + path);
  await settled(page);
}

/** Has the page ask again, without waiting for its own time. */
export async function refresh(page) {
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await page.waitForTimeout(250);
}

/** Until `check` returns something, asking pgmon again each time. */
export async function until(page, what, seconds, check) {
  const began = Date.now();
  for (;;) {
    const found = await check();
    if (found) return { found, took: (Date.now() - began) / 1000 };
    assert.ok(Date.now() - began < seconds * 1000, `not within ${seconds} s: ${what}`);
    await refresh(page);
  }
}

export function text(page) {
  return page.locator('#main').innerText();
}

export async function fits(page, widths = [360, 1400]) {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 800 });
    // What knows its width learns of the new one a frame later.
    for (let turn = 0; turn < 10 && (await overflow(page)) !== 0; turn += 1) await page.waitForTimeout(100);
    assert.equal(await overflow(page), 0, `wider than ${width}`);
  }
}
