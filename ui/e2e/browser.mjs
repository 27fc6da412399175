// Chromium as Debian ships it, with a profile of its own for each run.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const SIZES = [
  { width: 1400, height: 900 },
  { width: 390, height: 844 },
  { width: 360, height: 740 },
];

/** All pages, by what they are called in file names. */
export const PAGES = {
  overview: '',
  fleet: 'fleet',
  clusters: 'clusters',
  services: 'services',
  activity: 'activity',
  queries: 'queries',
  statement: 'queries/9007199254740993',
  autovacuum: 'autovacuum',
  storage: 'storage',
  partitions: 'partitions',
  replication: 'replication',
  wraparound: 'wraparound',
  io: 'io',
  settings: 'settings',
  agent: 'agent',
  collector: 'collectors/locks',
};

export async function open(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'pgmon-ui-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
    viewport: SIZES[0],
    ...options,
  });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A page that remembers what it complained of. */
export async function watched(context) {
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  return { page, complaints };
}

/** Until the page has its figures and nothing is being asked for. */
export async function settled(page) {
  await page.waitForLoadState('load');
  await page.waitForFunction(
    () => document.querySelector('#main h1') !== null && document.querySelector('[aria-busy=true]') === null,
    undefined,
    { timeout: 15_000 },
  );
  await page.waitForLoadState('networkidle');
}

export async function scheme(context, name) {
  await context.addInitScript((value) => localStorage.setItem('pgmon.scheme', value), name);
}

/** The pages with a statement that the server has. */
export async function pagesOf(base, query) {
  const answer = await fetch(new URL(`api/v1/top-queries${query}`, base)).then((response) => response.json());
  const queryid = answer.data.panels.statements.rows?.[0]?.queryid;
  return queryid === undefined ? PAGES : { ...PAGES, statement: `queries/${queryid}` };
}

/** How much wider than the window the page is. */
export function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

const FRAMES = 60;

/**
 * Scrolls a long list: the processor time that the page takes for a frame (mean, ms), how many rows are drawn at the end,
 * how far it came. Not the time on the clock: where others work beside the browser, that is mostly theirs.
 */
export async function scrolled(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const worked = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value * 1000;
  };
  const before = await worked();
  const seen = await page.evaluate(async (frames) => {
    const scroller = document.querySelector('.scroller');
    for (let i = 0; i < frames; i += 1) {
      scroller.scrollTop += 250;
      await new Promise(requestAnimationFrame);
    }
    return { rows: document.querySelectorAll('tr.row').length, end: scroller.scrollTop };
  }, FRAMES);
  const frame = ((await worked()) - before) / FRAMES;
  await session.detach();
  return { ...seen, frame };
}
