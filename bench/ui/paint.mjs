// How soon a page is seen: first and largest contentful paint with a CPU four times slower and 10 Mbit/s, nothing cached.
//
//   PGMON_URL=http://127.0.0.1:8181/ node bench/ui/paint.mjs [--runs N] [--check] [PAGE...]
//
// Prints a table and, as its last line, JSON. With --check it fails if the median of a page is over the limits.
import { open, pagesOf, settled } from '../../ui/e2e/browser.mjs';

const LIMITS = { fcp_ms: 1500, lcp_ms: 2000 };
const CPU = 4;
const NETWORK = { offline: false, latency: 20, downloadThroughput: 10e6 / 8, uploadThroughput: 10e6 / 8 };

const base = process.env.PGMON_URL ?? 'http://127.0.0.1:8181/';
const args = process.argv.slice(2);
const check = args.includes('--check');
const runs = args.includes('--runs') ? Number(args[args.indexOf('--runs') + 1]) : 5;
const named = args.filter((arg, i) => !arg.startsWith('--') && args[i - 1] !== '--runs');
const pages = named.length > 0 ? named : Object.values(await pagesOf(base, ''));

async function once(path) {
  // A profile of its own each time: nothing is known of the page.
  const { context, close } = await open();
  try {
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send('Network.enable');
    await session.send('Network.emulateNetworkConditions', NETWORK);
    await session.send('Emulation.setCPUThrottlingRate', { rate: CPU });
    await page.addInitScript(() => {
      window.largest_ms = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.largest_ms = entry.startTime;
      }).observe({ type: 'largest-contentful-paint', buffered: true });
    });
    await page.goto(base + path);
    await settled(page);
    await page.waitForTimeout(500);
    return await page.evaluate(() => ({
      fcp_ms: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
      lcp_ms: window.largest_ms,
      kib: performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.transferSize, 0) / 1024,
    }));
  } finally {
    await close();
  }
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const results = [];
for (const path of pages) {
  const all = [];
  for (let run = 0; run < runs; run += 1) all.push(await once(path));
  const result = { path: `/${path}`, runs };
  for (const key of ['fcp_ms', 'lcp_ms', 'kib']) result[key] = Math.round(median(all.map((each) => each[key])));
  results.push(result);
  console.log(`| ${result.path} | ${result.fcp_ms} | ${result.lcp_ms} | ${result.kib} |`);
}
const over = results.filter((each) => !(each.fcp_ms <= LIMITS.fcp_ms && each.lcp_ms > 0 && each.lcp_ms <= LIMITS.lcp_ms));
console.log(JSON.stringify({ limits: LIMITS, cpu: CPU, network: NETWORK, pages: results }));
if (over.length > 0) {
  console.error(`over the limits of ${LIMITS.fcp_ms} and ${LIMITS.lcp_ms} ms: ${over.map((each) => each.path).join(', ')}`);
  if (check) process.exit(1);
}
