import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VerdictHistory } from '../../../src/domain/ports/verdict-history.ts';
import { type Bench, bench, broken, healthy, nowMs, snapshotOf } from '../fixture.ts';
import { keptHistory } from '../kept-history.ts';

const html = { accept: 'text/html' };
const question = '/cujs/signup/status?version=v2';
const minuteMs = 60_000;

describe('pages about the past', () => {
  let history: VerdictHistory;
  let end: () => Promise<void>;
  const clock = { nowMs };

  beforeEach(() => {
    clock.nowMs = nowMs;
    ({ history, end } = keptHistory(() => clock.nowMs));
  });

  afterEach(() => end());

  /** A gate that gave a fail ten minutes ago; since then, Datadog says that nothing failed. */
  async function afterFail(options: Parameters<typeof bench>[0] = {}): Promise<Bench> {
    const made = await bench(
      {
        history,
        pages: { basePath: '', publicUrl: 'https://gate.example.com', links: () => [] },
        ...options,
      },
      'uncached',
    );
    made.world.measure = async (query) => snapshotOf(query, broken, healthy);
    await made.app.inject(question);
    await isKept();
    clock.nowMs += 10 * minuteMs;
    made.world.nowMs = clock.nowMs;
    made.world.measure = async (query) => snapshotOf(query, healthy, healthy);
    return made;
  }

  /** Changes are written some ms after the answer. */
  async function isKept(changes = 1): Promise<void> {
    const of = { fromMs: 0, toMs: clock.nowMs, max: 100 };
    await expect
      .poll(async () => {
        const read = await history.changes(of);
        return read.available ? read.value.changes.length : 0;
      })
      .toBe(changes);
  }

  const at = new Date(nowMs).toISOString();

  it('show the answer as it was given, to whom and when, though the gate may recompute nothing', async () => {
    const { app, world } = await afterFail();
    world.measure = async () => {
      throw new Error('the backend must not be asked');
    };
    const { statusCode, body } = await app.inject({ url: `${question}&at=${at}`, headers: html });
    expect(statusCode).toBe(200);
    expect(body).toContain('<title>FAIL signup, version:v2</title>');
    expect(body).toContain('<strong>As given</strong>');
    expect(body).toContain('sli-availability-timeline');
    expect(body).not.toContain('data-refresh');
  });

  it('say where the data of now gives something else', async () => {
    const { app } = await afterFail({ allowUnauthenticatedPast: true });
    const { body } = await app.inject({ url: `${question}&at=${at}`, headers: html });
    expect(body).toContain('<title>FAIL signup, version:v2</title>');
    expect(body).toContain('The data and the registry of now give PASS (within_slo): data arrived late');
  });

  it('recompute a moment of which nothing was kept, for those who may', async () => {
    const { app } = await afterFail({ allowUnauthenticatedPast: true });
    const before = new Date(nowMs - 30 * minuteMs).toISOString();
    const { body } = await app.inject({ url: `${question}&at=${before}`, headers: html });
    expect(body).toContain('<strong>Recomputed</strong> as of 2026-01-31 08:29:50 UTC');
  });

  it('are refused with a page that says what to set', async () => {
    const { app } = await afterFail();
    const before = new Date(nowMs - 30 * minuteMs).toISOString();
    const { statusCode, body } = await app.inject({ url: `${question}&at=${before}`, headers: html });
    expect(statusCode).toBe(403);
    expect(body).toContain('CUJ_GATE_ALLOW_UNAUTHENTICATED_PAST=true');
  });

  it.each(['now', '2031-01-01T00:00:00Z', '2010-01-01T00:00:00Z', '2026-01-31T08:00:00'])(
    'refuse the moment %s with a page',
    async (wrong) => {
      const { app } = await afterFail({ allowUnauthenticatedPast: true });
      const { statusCode, headers } = await app.inject({ url: `${question}&at=${wrong}`, headers: html });
      expect(statusCode).toBe(400);
      expect(headers['content-type']).toBe('text/html; charset=utf-8');
    },
  );

  it('are where the link of a JSON answer leads, and show what that answer said', async () => {
    const { app, world } = await afterFail();
    world.measure = async (query) => snapshotOf(query, broken, healthy);
    const urls = [
      `${question}&service=member-api`,
      `${question}&window=5m`,
      '/services/member-api/status?version=v2',
    ];
    for (const [i, url] of urls.entries()) {
      const { link, summary } = (await app.inject(url)).json();
      await isKept(i + 2);
      expect(link).toMatch(
        /^https:\/\/gate\.example\.com\/[vr]\/[\w=.,-]+\/[\w=.,-]+\/2026-01-31T09:09:50Z$/,
      );
      clock.nowMs += 60 * minuteMs;
      world.nowMs = clock.nowMs;
      world.measure = async (query) => snapshotOf(query, healthy, healthy);
      const { headers } = await app.inject({ url: new URL(link).pathname, headers: html });
      const { body } = await app.inject({ url: String(headers.location), headers: html });
      expect(body).toContain('<strong>As given</strong>');
      expect(body).toContain(summary);
      clock.nowMs -= 60 * minuteMs;
      world.nowMs = clock.nowMs;
      world.measure = async (query) => snapshotOf(query, broken, healthy);
    }
  });

  it('have no moment in their link where the gate keeps and recomputes nothing', async () => {
    const { app } = await bench({
      pages: { basePath: '/g', publicUrl: 'https://ops.example.com/g', links: () => [] },
    });
    const { link } = (await app.inject('/cujs/signup/status?version=v2')).json();
    expect(link).toBe('https://ops.example.com/g/v/signup/v2');
    const { headers } = await app.inject({ url: '/v/signup/v2', headers: html });
    expect(headers.location).toBe('/g/cujs/signup/status?version=v2');
    expect((await (await bench()).app.inject(question)).json()).not.toHaveProperty('link');
  });

  it('list what is in progress and what was stopped', async () => {
    const { app } = await afterFail();
    clock.nowMs -= 5 * minuteMs;
    const start = (await app.inject({ url: '/', headers: html })).body;
    expect(start).toMatch(/<h2 id="progress">In progress<\/h2>.*>FAIL<.*version:v2.*50%.*signup/s);
    const report = (await app.inject({ url: '/report', headers: html })).body;
    expect(report).toMatch(
      /Releases that were stopped.*2026-01-31 08:59 UTC.*900 of 9000 requests failed\./s,
    );
    const cuj = (await app.inject({ url: '/cujs/signup', headers: html })).body;
    expect(cuj).toMatch(/<h2 id="releases">.*version:v2.*>FAIL</s);
  });

  it('warn of promoting a release that fails elsewhere, now and in the past', async () => {
    const { app, world } = await afterFail();
    clock.nowMs -= 5 * minuteMs;
    world.nowMs = clock.nowMs;
    await app.inject('/cujs/login/status?version=v2');
    await isKept(2);
    const page = async (url: string) => (await app.inject({ url, headers: html })).body;
    const now = await page('/cujs/login/status?version=v2');
    expect(now).toMatch(
      /Do not promote it\..*href="\/cujs\/signup\/status\?version=v2">signup \(member-api\)/s,
    );
    expect(now).not.toContain('kubectl argo rollouts promote');
    const given = await page(`/cujs/login/status?version=v2&at=${new Date(clock.nowMs).toISOString()}`);
    expect(given).toMatch(
      /Do not promote it\..*href="\/cujs\/signup\/status\?version=v2&amp;at=2026-01-31T08:59:51.000Z/s,
    );
    expect(await page('/cujs/signup/status?version=v2')).not.toContain('Do not promote');
    expect(await page('/cujs/login/status?version=v3')).not.toContain('Do not promote');
    // Another service has a version of the same name.
    const other = await page(`/cujs/pay/status?role=x&at=${new Date(clock.nowMs).toISOString()}`);
    expect(other).not.toContain('Do not promote');
  });

  it('show the numbers of their moment, where the verdict had not changed since it was kept', async () => {
    const { app, world } = await afterFail({ allowUnauthenticatedPast: true });
    world.measure = async (query) => snapshotOf(query, { perMinute: 300, badPerMinute: 60 }, healthy);
    const later = new Date(nowMs + 2 * minuteMs).toISOString();
    const { body } = await app.inject({ url: `${question}&at=${later}`, headers: html });
    expect(body).toContain('<strong>Recomputed</strong>');
    expect(body).toContain('The same verdict was given from 2026-01-31 08:59:50 UTC on.');
    expect(body).toMatch(/1,800 of 9,000 requests failed on the canary/);
  });

  it('say on top that the release failed later', async () => {
    const { app, world } = await afterFail({ allowUnauthenticatedPast: true });
    world.measure = async (query) => snapshotOf(query, { perMinute: 3, badPerMinute: 0 }, healthy);
    const before = new Date(nowMs - 10 * minuteMs).toISOString();
    const { body } = await app.inject({ url: `${question}&at=${before}`, headers: html });
    expect(body).toMatch(
      /Do not promote it\..*signup \(member-api\)<\/a> later, at 08:59:50: 900 of 9000 requests failed\. Owner: team-identity\./s,
    );
    expect(body).not.toContain('kubectl argo rollouts promote');
  });

  it('name the versions that were asked about, where a version is unknown', async () => {
    const { app, world } = await afterFail();
    clock.nowMs -= 5 * minuteMs;
    world.nowMs = clock.nowMs;
    world.measure = async (query) => snapshotOf(query, { perMinute: 0, badPerMinute: 0 }, healthy);
    const { body } = await app.inject({ url: '/cujs/signup/status?version=v2.0', headers: html });
    expect(body).toContain('No request carries version:v2.0.');
    expect(body).toMatch(/Asked about lately:.*href="\/cujs\/signup\/status\?version=v2"/s);
    expect(body).not.toContain('kubectl argo rollouts promote');
  });

  it('ask about now in their commands, and link to their own moment', async () => {
    const { app } = await afterFail();
    const { body } = await app.inject({ url: `${question}&at=${at}`, headers: html });
    expect(body).toContain("curl 'https://gate.example.com/cujs/signup/status?version=v2'");
    expect(body).toContain('href="/cujs/signup/status?version=v2">See now');
    expect(body).toContain('/v/signup/v2/2026-01-31T08:59:50Z');
  });

  it('show every answer that was given as a point', async () => {
    const { app } = await afterFail();
    const { body } = await app.inject({ url: question, headers: html });
    expect(body).toMatch(/<circle class="given"[^>]* data-evidence="[\d.e+]+"/);
  });
});
