import { describe, expect, it } from 'vitest';
import { SourceError, sourceErrorCodes } from '../../../src/domain/errors.ts';
import type { Verdict } from '../../../src/domain/judge/judge.ts';
import type { Service } from '../../../src/domain/registry/model.ts';
import { reasons } from '../../../src/http/openapi/verdict-schemas.ts';
import { sentenceOf } from '../../../src/http/pages/page-text.ts';
import { paramsOfPermalink, permalinkOf } from '../../../src/http/pages/permalink.ts';
import {
  registryDocument,
  type Situation,
  situations,
  nowMs as situationsNowMs,
  snapshotIn,
} from '../../browser/situations.ts';
import { bench, broken, document, healthy, registryOf, snapshotOf } from '../fixture.ts';

const html = { accept: 'text/html' };

async function pageOf(
  url: string,
  options: Parameters<typeof bench>[0] = {},
  prepare = (_: Awaited<ReturnType<typeof bench>>) => {},
) {
  const made = await bench(options);
  prepare(made);
  const answer = await made.app.inject({ url, headers: html });
  return { ...made, answer, body: answer.body };
}

describe('the page of a verdict', () => {
  it('says what broke, how sure the gate is, who owns it and what to type', async () => {
    const { body } = await pageOf('/cujs/login/status?version=v2', {}, ({ world }) => {
      world.measure = async (query) => snapshotOf(query, healthy, healthy, { 'post_/api/v1/login': broken });
    });
    expect(body).toContain('<title>FAIL ログイン, version:v2</title>');
    expect(body).toMatch(
      /[\d,]+ of [\d,]+ requests failed on the canary\. A service meeting its 99\.95% SLO does this in fewer than 1 of 1,000,000 rollouts; we abort at 1 in 40 \(1 in 20 for both checks together\)\./,
    );
    expect(body).toMatch(/Worst: POST \/api\/v1\/login, [\d,]+ of [\d,]+ failed\./);
    expect(body).toContain('team-identity');
    expect(body).toContain('kubectl argo rollouts abort member-api');
  });

  it('shows the counts of its JSON', async () => {
    const { app, body } = await pageOf('/cujs/signup/status?version=v2', {}, ({ world }) => {
      world.measure = async (query) => snapshotOf(query, { perMinute: 31, badPerMinute: 0 }, healthy);
    });
    const { slis, reason, summary } = (await app.inject('/cujs/signup/status?version=v2')).json();
    expect(body).toContain(`0 of ${slis[0].total} requests failed`);
    expect(body).toContain(`<code>${reason}</code>`);
    expect(body).toContain(summary);
  });

  it('marks where failures begin, and where the canary is silent', async () => {
    const { app, world } = await bench({}, 'uncached');
    world.nowMs = situationsNowMs;
    const page = async (name: string) => {
      const situation = situations.find((one) => one.name === name) as Situation;
      world.registry = world.registry && {
        ...world.registry,
        registry: registryOf(registryDocument(situation)),
      };
      world.measure = async (query) => snapshotIn(situation, query);
      return (await app.inject({ url: '/cujs/signup/status?version=v2', headers: html })).body;
    };
    const broken = await page('broken-endpoint');
    expect(broken).toContain('first failure 12:14');
    expect(broken).not.toContain('class="gap"');
    const looping = await page('crash-loop');
    expect(looping).not.toContain('first failure');
    expect(looping).toMatch(
      /<rect class="gap"[^>]*><title>no canary request from \d\d:\d[048] to \d\d:\d[048]<\/title>/,
    );
  });

  it('escapes what a registry holds, and follows no link that is not of the web', async () => {
    const title = '<script>alert(1)</script> "\' & \u202egnp';
    const cujs = (document.cujs ?? []).map((cuj) => ({
      ...cuj,
      title,
      owner: '<b>me</b>',
      runbook: 'javascript:alert(1)',
    }));
    for (const url of [
      '/',
      '/report',
      '/cujs/signup',
      '/cujs/signup/status?version=v2',
      '/services/member-api/status?version=v2',
    ]) {
      const { body } = await pageOf(url, {}, ({ world }) => {
        world.registry = world.registry && { ...world.registry, registry: registryOf({ ...document, cujs }) };
      });
      expect(body).not.toContain('<script>alert');
      expect(body).not.toContain('<b>me');
      expect(body).not.toContain('href="javascript');
      expect(body).not.toContain('\u202e');
      expect(body).not.toMatch(/ style=| on\w+="/);
    }
  });

  it.each(sourceErrorCodes)('says so where the source cannot be asked: %s', async (code) => {
    const { answer, body } = await pageOf('/cujs/signup/status?version=v2', {}, ({ world }) => {
      world.measure = async () => {
        throw new SourceError(code, 'Datadog is out <of> order', 'Wait.');
      };
    });
    expect(answer.statusCode).toBe(200);
    expect(body).toContain('INCONCLUSIVE');
    expect(body).toContain('Datadog is out (of) order');
    expect(body).not.toContain('    at ');
  });

  it('has a sentence for every reason', () => {
    for (const reason of reasons) {
      const verdict = {
        reason,
        summary: `INCONCLUSIVE signup (${reason}): it is so`,
        slis: [],
        verdict: 'inconclusive',
      } as unknown as Verdict;
      const gate = (registryOf().cujs.get('signup') as { gate: Parameters<typeof sentenceOf>[1] }).gate;
      expect(sentenceOf(verdict, gate)).toMatch(/^[A-Z].*[.:]$/);
    }
  });

  it('answers its own refresh only from what is kept', async () => {
    const { app, world } = await bench();
    let calls = 0;
    world.measure = async (query) => {
      calls += 1;
      return snapshotOf(query, healthy, healthy);
    };
    const url = '/cujs/signup/status?version=v2';
    const refresh = () => app.inject({ url, headers: { ...html, 'x-cuj-gate-refresh': 'kept' } });
    expect(await refresh()).toMatchObject({ statusCode: 204, body: '' });
    expect(calls).toBe(0);
    await app.inject(url);
    const before = calls;
    expect(await refresh()).toMatchObject({ statusCode: 200 });
    expect(calls).toBe(before);
  });

  it('costs the source no more than its JSON, and is in no metric of verdicts', async () => {
    const { app, world, metric } = await bench();
    let calls = 0;
    world.measure = async (query) => {
      calls += 1;
      return snapshotOf(query, healthy, healthy);
    };
    const url = '/cujs/login/status?version=v2';
    await app.inject({ url, headers: html });
    const forPage = calls;
    await app.inject(url);
    expect(calls).toBe(forPage);
    const line =
      'cuj_gate_verdicts_total{cuj="login",service="member-api",verdict="pass",reason="within_slo"}';
    expect(await metric(line)).toBe(1);
  });
});

describe('other pages', () => {
  it('show what is not known as unknown', async () => {
    expect((await pageOf('/')).body).toContain('Error budgets are not known: the backend has none.');
    expect((await pageOf('/report')).body).toContain('unknown');
    expect((await pageOf('/cujs/login')).body).toContain('ログイン');
  });

  it('ask the backend once in a while, however often they are asked for', async () => {
    let calls = 0;
    const counted =
      <T>(value: T) =>
      async () => {
        calls += 1;
        return value;
      };
    const pages = {
      basePath: '',
      links: () => [],
      readBudgets: counted([]),
      readTraffic: counted(new Map()),
      readVersions: counted([]),
    };
    const { app, world } = await bench({ pages });
    const round = () =>
      Promise.all(
        ['/', '/?recent=7', '/report', '/cujs/signup'].map((each) =>
          app.inject({ url: each, headers: html }),
        ),
      );
    await round();
    const first = calls;
    await round();
    await round();
    expect(calls).toBe(first);
    world.nowMs += 16 * 60_000;
    await round();
    expect(calls).toBe(2 * first);
  });

  it('read again what failed', async () => {
    let isBroken = true;
    const readVersions = async () => {
      if (isBroken) throw new SourceError('source_unavailable', 'Datadog is down', 'Wait.');
      return [];
    };
    const { app } = await bench({ pages: { basePath: '', links: () => [], readVersions } });
    const page = async () => (await app.inject({ url: '/?recent=7', headers: html })).body;
    expect(await page()).toContain('the backend could not be asked (source_unavailable): Datadog is down');
    isBroken = false;
    expect(await page()).toContain('No version came new in the last 7 days.');
  });

  it('refuse unknown parameters with a page that says which are known', async () => {
    const { answer, body } = await pageOf('/?recnt=7');
    expect(answer.statusCode).toBe(400);
    expect(body).toContain('Did you mean &quot;recent&quot;?');
    expect((await pageOf('/?recent=400')).body).toContain('is not a number of days from 1 to 30');
  });

  it('exist for browsers alone', async () => {
    const { app } = await bench();
    for (const url of ['/', '/report', '/v/signup/v2/2026-01-31T08:00:00Z'])
      expect((await app.inject(url)).json()).toMatchObject({ code: 'not_found' });
  });

  it('serve their style and script under names that change with the content', async () => {
    const { app, body } = await pageOf('/');
    for (const extension of ['css', 'js', 'svg']) {
      const [, path] = new RegExp(`"(/assets/\\w+\\.[0-9a-f]{16}\\.${extension})"`).exec(body) ?? [];
      const answer = await app.inject(path as string);
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['cache-control']).toBe('public, max-age=31536000, immutable');
      expect(answer.body.length).toBeGreaterThan(100);
    }
  });

  it('work below a path, whether or not a proxy removes it', async () => {
    const pages = { basePath: '/cuj-gate', links: () => [] };
    for (const url of ['/cuj-gate/', '/cuj-gate', '/', '/cuj-gate?recent=7']) {
      const { answer, body } = await pageOf(url, { pages });
      expect(answer.statusCode).toBe(200);
      for (const [, link] of body.matchAll(/ (?:href|src|action)="([^"#]*)"/g))
        expect(link).toMatch(/^\/cuj-gate\//);
    }
    const { app } = await bench({ pages });
    expect((await app.inject('/cuj-gate/cujs/signup/status?version=v2')).json()).toMatchObject({
      verdict: 'pass',
    });
    expect((await app.inject('/cuj-gateway/cujs')).statusCode).toBe(404);
  });

  it('never keep verdicts from being given: so many are made at once', async () => {
    const { app, world } = await bench();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    world.measure = async (query) => {
      await held;
      return snapshotOf(query, healthy, healthy);
    };
    const pages = Array.from({ length: 12 }, (_, i) =>
      app.inject({ url: `/cujs/signup/status?version=v${i}`, headers: html }),
    );
    await new Promise((resolve) => setImmediate(resolve));
    const verdict = app.inject('/cujs/signup/status?version=v99');
    release();
    const statuses = (await Promise.all(pages)).map(({ statusCode }) => statusCode);
    expect(statuses.filter((status) => status === 503)).toHaveLength(4);
    expect((await verdict).json()).toMatchObject({ verdict: 'pass' });
    expect((await app.inject({ url: '/', headers: html })).statusCode).toBe(200);
  });
});

describe('short links', () => {
  const registry = registryOf();
  const member = [registry.services.get('member-api') as Service];

  it.each<[Record<string, string>]>([
    [{ version: 'v1.42.0' }],
    [{ version: 'release/1.2:3' }],
    [{ version: 'v2', stable_version: 'v1' }],
    [{ version: 'v1=2' }],
  ])('lead back to the parameters: %j', (given) => {
    const params = new Map(Object.entries(given));
    const path = permalinkOf('v', 'signup', member, params, Date.UTC(2026, 0, 31, 8));
    expect(path).not.toContain('&');
    const [, kind, name, text, at] = path.split('/').map(decodeURIComponent);
    expect([kind, name, at]).toEqual(['v', 'signup', '2026-01-31T08:00:00Z']);
    expect(paramsOfPermalink(member, text as string)).toEqual(params);
  });

  it('send a browser to the page', async () => {
    const { app } = await bench();
    const to = async (url: string) => (await app.inject({ url, headers: html })).headers.location;
    expect(await to('/v/signup/v1.42.0/2026-01-31T08:00:00Z')).toBe(
      '/cujs/signup/status?version=v1.42.0&at=2026-01-31T08%3A00%3A00Z',
    );
    expect(await to('/r/member-api/v2/2026-01-31T08:00:00Z')).toBe(
      '/services/member-api/status?version=v2&at=2026-01-31T08%3A00%3A00Z',
    );
    expect(await to('/v/none/v2/2026-01-31T08:00:00Z')).toBeUndefined();
  });

  it('cannot lead to another site', async () => {
    const { app } = await bench();
    for (const url of [
      '/v/signup/%2F%2Fevil.example/2026-01-31T08:00:00Z',
      '/v/signup/v2/%0d%0aLocation:%20https:%2F%2Fevil',
    ]) {
      const { headers } = await app.inject({ url, headers: html });
      expect(String(headers.location)).toMatch(/^\/cujs\/signup\/status\?[^\r\n]*$/);
    }
  });
});
