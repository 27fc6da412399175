// biome-ignore-all lint/performance/useDomNodeTextContent: what is seen is meant, and these are no DOM nodes
// Services and clusters: what they say of trouble, by address and by keyboard, without a database that is chosen. On
// the fixtures: trouble of all kinds at once is nothing that a real pgmon has at hand.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { findings } from './axe.mjs';
import { open, overflow, scheme, scrolled, settled, watched } from './browser.mjs';
import { clipped } from './clipped.mjs';
import { serve } from './serve.mjs';

let browser;
let many;
let none;
let page;
let complaints;

before(async () => {
  many = await serve({ databases: 40, around: { services: 500, clusters: 20 }, prefix: '/some/prefix/' });
  none = await serve({ databases: 0, around: { services: 0, clusters: 0 } });
  browser = await open({ acceptDownloads: true });
  await browser.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  ({ page, complaints } = await watched(browser.context));
});
after(async () => {
  await browser.close();
  for (const { server } of [many, none]) server.close();
});

async function go(path, { base } = many) {
  await page.goto(base + path);
  await settled(page);
}

const inert = async () => {
  assert.equal(await page.evaluate(() => window.pwned), undefined, 'a name was run');
  assert.equal(await page.locator('#main img, #main script, #main iframe').count(), 0, 'a name became an element');
  assert.doesNotMatch(await page.locator('body').innerText(), /[\u202a-\u202e\u200b\u200e\u200f]/);
};

/** What moved of the page while it came, without anybody touching it. */
const shifts = () =>
  page.evaluate(
    () =>
      new Promise((done) => {
        new PerformanceObserver((list) =>
          done(list.getEntries().reduce((sum, { value, hadRecentInput }) => sum + (hadRecentInput ? 0 : value), 0)),
        ).observe({ type: 'layout-shift', buffered: true });
        setTimeout(() => done(0), 300);
      }),
  );

describe('services', () => {
  it('say in a sentence how many fail, and which of them are critical', async () => {
    await go('services');
    const verdict = await page.locator('.verdict').innerText();
    assert.match(verdict, /Of 500 services: 50 not good/);
    assert.match(verdict, /2 of them are critical, so \/health answers 503: api, redis/);
    assert.equal(await page.locator('.nav-link[href$="/services"] .visually-hidden').first().innerText(), 'Critical');
    assert.equal(await page.getByRole('link', { name: '/health' }).getAttribute('href'), 'health');
    const health = await page.getByRole('link', { name: '/health' }).evaluate((link) => link.href);
    assert.equal(health, `${many.base}health`);
    await inert();
  });

  it('of 500 only those are drawn that are seen, and they scroll', async () => {
    await go('services');
    const frames = await scrolled(page);
    assert.ok(frames.rows > 10 && frames.rows < 90, `${frames.rows} rows are drawn`);
    assert.ok(frames.end > 10_000, `scrolled to ${frames.end}`);
    assert.ok(frames.frame > 0 && frames.frame < 33, `a frame takes ${frames.frame} ms`);
  });

  it('show by a row, an address and a key what the check has read', async () => {
    await go('services?every=off&q.services=https%3A%2F%2Fapi');
    const row = page.locator('.expander').first();
    await row.focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/open=services%3Aapi/);
    await page.reload();
    await settled(page);
    const detail = page.locator('.detail-in');
    await detail.getByText('GET /health').waitFor();
    assert.match(await detail.innerText(), /Status 503, expected 200/);
    assert.match(await detail.innerText(), /"because":"<script>/);
    assert.match(await detail.innerText(), /Authorization: \*\*\*/);
    await detail.locator('summary').click();
    assert.match(await detail.innerText(), /probe_duration_seconds\{phase="connect"\}\s+0\.000412/);
    await inert();
    for (const width of [360, 1400, 3840]) {
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(150);
      assert.deepEqual(await clipped(page), [], `at ${width}`);
    }
    await page.setViewportSize({ width: 1400, height: 900 });
    assert.deepEqual(await findings(page), []);
  });

  it('keep a row open whatever becomes of its state, and say so if a service is gone', async () => {
    await go('services?q.services=%3Cimg&open=services%3A%3Cimg%20src%3Dx%20onerror%3D%22window.pwned%3D1%22%3E');
    await page.locator('.detail-in').waitFor();
    assert.match(await page.locator('.detail-in').innerText(), /\\u\{202e\}/);
    await inert();
  });

  it('are filtered by how bad they are, sorted, and exported', async () => {
    await go('services');
    await page.getByRole('button', { name: /^Warning/ }).click();
    await page.waitForURL(/level=warn/);
    assert.equal(await page.locator('tbody tr.row').count(), 1);
    await page.getByRole('button', { name: 'Export' }).click();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: '1 row as CSV' }).click();
    assert.equal((await download).suggestedFilename(), 'services.csv');
  });

  it('explain themselves where there are none', async () => {
    await go('services', none);
    await page.getByRole('heading', { name: 'No service is configured' }).waitFor();
    await page.getByRole('button', { name: 'Copy the example' }).click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^services:\n {2}cache:/);
    assert.equal(await page.locator('.nav-link[href$="/services"] .end').count(), 0, 'no mark without services');
    assert.deepEqual(await findings(page), []);
  });
});

describe('clusters', () => {
  it('say what is wrong with each, in the manager’s own words', async () => {
    await go('clusters');
    assert.match(await page.locator('.verdict').innerText(), /7 of 9 clusters need somebody/);
    const moray = page.locator('#manatee-1-moray-example-com');
    assert.deepEqual(
      await moray
        .locator('.issues li')
        .allInnerTexts()
        .then((all) => all.map((each) => each.split('\n').slice(0, 2).join(': '))),
      [
        'Error: cannot query postgres on sync: peer "30219700": connection refused',
        'Error: peer "301e2d2c": downstream replication peer not connected',
        'Warning: cluster has a deposed peer',
      ],
    );
    assert.match(await moray.locator('.topo').innerText(), /not connected/);
    assert.match(await moray.locator('.topo').innerText(), /lag unknown/);
    assert.match(await moray.locator('.topo-apart').innerText(), /Deposed/);
    const frozen = page.locator('#manatee-2-frozen-example-com');
    assert.match(
      await frozen.locator('.banner').first().innerText(),
      /Frozen: nothing is failed over\. .*upgrade of the hosts.*Since \d/,
    );
    assert.match(
      await frozen.locator('.banner').nth(1).innerText(),
      /A promotion is asked for to 10\.77\.77\.8:5432:12345, until/,
    );
    assert.match(await frozen.locator('.topo').innerText(), /lag 2m 5s, 46 MiB/);
    const stale = page.locator('#manatee-3-stale-example-com');
    assert.match(
      await stale.locator('.banner').innerText(),
      /cannot be read: no connection to ZooKeeper: .* was right 6m/,
    );
    const unreachable = page.locator('#manatee-4-unreachable-example-com');
    assert.match(await unreachable.innerText(), /cannot be read: no connection to ZooKeeper: zk4:2181/);
    assert.equal(await unreachable.locator('.topo').count(), 0, 'of what is not known nothing is drawn');
    assert.match(await page.locator('#patroni-orders').innerText(), /A switchover is scheduled from db1 to db2, for/);
    await inert();
  });

  it('stand one beside the other where there is room, and else one below the other', async () => {
    await go('clusters?one=manatee%2F2.frozen.example.com');
    const boxes = () =>
      page.locator('.topo .topo-node').evaluateAll((all) => all.map((each) => each.getBoundingClientRect().toJSON()));
    await page.setViewportSize({ width: 1400, height: 900 });
    const [a, b, c] = await boxes();
    assert.ok(a.right < b.left && b.right < c.left && a.top === b.top && b.top === c.top, 'a chain from left to right');
    await page.setViewportSize({ width: 360, height: 740 });
    const [x, y, z] = await boxes();
    assert.ok(x.bottom < y.top && y.bottom < z.top && x.left === y.left, 'a list');
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await clipped(page), []);
    await page.setViewportSize({ width: 1400, height: 900 });
  });

  it('lead from a member to its row, by key', async () => {
    await go('clusters?one=patroni%2Forders');
    const member = page.locator('.topo-node').filter({ hasText: 'db3' });
    await member.focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/open=patroni-orders-members%3Adb3/);
    await page.locator('#patroni-orders-members .detail-in').waitFor();
    assert.match(await page.locator('#patroni-orders-members .detail-in').innerText(), /nofailover=true/);
    assert.match(await page.locator('#patroni-orders-history').innerText(), /Failover\s+db2\s+db1/);
  });

  it('show the state as it was read, and copy it as it came', async () => {
    await go('clusters?one=manatee%2F2.frozen.example.com');
    const raw = page.locator('.evidence-raw').first();
    await raw.locator('summary').focus();
    await page.keyboard.press('Enter');
    assert.match(await raw.locator('pre').innerText(), /"generation": 3,\n/);
    assert.ok((await raw.locator('.tok-keyword').count()) > 5);
    await raw.getByRole('button').click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^\{"generation":3,"primary"/);
    assert.match(await page.locator('.evidence-raw').nth(1).textContent(), /only the beginning is kept/);
    await inert();
    assert.deepEqual(await clipped(page), []);
    assert.deepEqual(await findings(page), []);
  });

  it('are chosen, filtered and found', async () => {
    // The address changes before the page does.
    const drawn = (n) =>
      page.waitForFunction((many) => document.querySelectorAll('section.cluster').length === many, n);
    await go('clusters');
    await page.getByRole('button', { name: /^OK/ }).click();
    await page.waitForURL(/level=ok/);
    await drawn(2);
    await page.keyboard.press('/');
    await page.getByRole('combobox').fill('db4');
    await page.getByRole('option', { name: /db4/ }).first().waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(/clusters\?.*one=patroni%2Forders/);
    await settled(page);
    await drawn(1);
    // The finder closes slower than the page comes.
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('/');
    await page.getByRole('combobox').fill('old-certificate');
    await page.getByRole('option', { name: /old-certificate/ }).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(/services\?.*open=services%3Aold-certificate/);
    await page.locator('.detail-in').waitFor();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    for (const [key, place] of [
      ['h', /\/clusters/],
      ['e', /\/services/],
    ]) {
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      await page.waitForURL(place);
      await settled(page);
    }
    await go('clusters?one=manatee%2Fgone');
    await page.getByText('There is no cluster manatee/gone').waitFor();
  });

  it('explain themselves where there are none', async () => {
    await go('clusters', none);
    await page.getByRole('heading', { name: 'No cluster is configured' }).waitFor();
    await page.getByRole('button', { name: 'Copy the example' }).click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^clusters:\n {2}- \{type: manatee/);
    assert.deepEqual(await findings(page), []);
  });
});

describe('both', () => {
  it('move nothing once they are there', async () => {
    for (const path of ['services', 'clusters']) {
      await go(path);
      const moved = await shifts();
      assert.ok(moved < 0.1, `${path} moved by ${moved}`);
    }
  });

  it('are clean in the dark, at all widths', async () => {
    const dark = await open();
    try {
      await scheme(dark.context, 'dark');
      const { page: other } = await watched(dark.context);
      for (const path of ['services', 'clusters']) {
        for (const width of [360, 1400]) {
          await other.setViewportSize({ width, height: 900 });
          await other.goto(many.base + path);
          await settled(other);
          assert.deepEqual(await findings(other), [], `${path} at ${width}`);
        }
      }
    } finally {
      await dark.close();
    }
  });

  it('complain of nothing', () => assert.deepEqual(complaints, []));
});
