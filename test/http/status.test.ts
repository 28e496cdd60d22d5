import { describe, expect, it } from 'vitest';
import { SourceError } from '../../src/domain/errors.ts';
import type { Snapshot } from '../../src/domain/metrics/metrics-source.ts';
import { bench, broken, digest, document, healthy, isRecent, registryOf, snapshotOf } from './fixture.ts';

const login = '/cujs/login/status?version=v2';

describe('GET /cujs/:name/status', () => {
  it('answers a verdict as JSON that nobody may keep, ended by a newline', async () => {
    const { app } = await bench();
    const answer = await app.inject(login);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
    });
    expect(answer.body.endsWith('}\n')).toBe(true);
    expect(answer.json()).toMatchObject({
      verdict: 'pass',
      ok: true,
      reason: 'within_slo',
      cuj: 'login',
      canary: 'version:v2',
      stable: 'the rest',
      registry: digest,
      slis: [{ sli: 'availability' }, { sli: 'latency' }],
    });
  });

  it('says FAIL where the canary is broken, with the summary first', async () => {
    const { app, world } = await bench();
    world.measure = async (query) => snapshotOf(query, broken, healthy);
    const { body } = await app.inject('/cujs/signup/status?version=v2&pretty');
    expect(body).toMatch(/^\{\n {2}"summary": "FAIL signup \(slo_violated\): /);
    expect(JSON.parse(body)).toMatchObject({ verdict: 'fail', ok: false });
  });

  it('passes with limited evidence, and says how much that is and what is missing for a proof', async () => {
    const { app, world } = await bench();
    const gate = { passAfter: '8m', rulesOutRate: 5, minRequests: 60 } as const;
    const cujs = document.cujs?.map((cuj) => (cuj.name === 'signup' ? { ...cuj, gate } : cuj)) ?? [];
    world.registry = world.registry && { ...world.registry, registry: registryOf({ ...document, cujs }) };
    world.measure = async (query) => snapshotOf(query, { perMinute: 3, badPerMinute: 0 }, healthy);
    const url = '/cujs/signup/status?version=v2';
    const passed = (await app.inject(url)).json();
    expect(passed).toMatchObject({
      verdict: 'pass',
      reason: 'limited_evidence',
      slis: [{ rulesOutRate: expect.closeTo(1 - 0.05 ** (1 / 90), 6), requestsToVerdict: 325 }],
    });
    expect(passed.summary).toMatch(
      /^PASS signup \(limited_evidence\): .*; proven after 325 more clean requests \(about 109 min\)$/,
    );
    // A since that leaves out a part of the rollout asks for a proof.
    const { slis } = (await app.inject(`${url}&since=2026-01-31T08:52:00Z`)).json();
    expect(slis[0]).toMatchObject({ reason: 'insufficient_traffic', requestsToVerdict: 394 });
    expect(slis[0]).not.toHaveProperty('limitedPass');
  });

  it('shows counts by the minute on one line, for people, and the same object', async () => {
    const { app } = await bench();
    const plain = await app.inject(`${login}&explain`);
    const pretty = await app.inject(`${login}&explain&pretty`);
    expect(pretty.json()).toEqual(plain.json());
    expect(pretty.body).toMatch(/^ +"total": \[\d+(, \d+)+\],$/m);
    expect(pretty.body).not.toMatch(/^ +\d+,?$/m);
  });

  it('gives stable its own selector where its parameter is given', async () => {
    const { app } = await bench();
    const answer = await app.inject(`${login}&stable_version=v1`);
    expect(answer.json()).toMatchObject({ canary: 'version:v2', stable: 'version:v1' });
  });

  it.each([
    ['window', `${login}&window=5m`, { window: { seconds: 300, start: 'fixed' } }],
    ['since', `${login}&since=2026-01-31T08:49:00Z`, { window: { seconds: 600, start: 'since' } }],
    ['service', `${login}&service=member-api`, { services: ['member-api'] }],
  ])('honours %s', async (_, url, expected) => {
    const { app } = await bench();
    expect((await app.inject(url)).json()).toMatchObject(expected);
  });

  it('explains itself: the queries and the whole measurement', async () => {
    const { app } = await bench();
    const plain = (await app.inject(login)).json();
    const explained = (await app.inject(`${login}&explain`)).json();
    expect(explained).toMatchObject(plain);
    expect(explained.queries).toEqual([{ name: 'c_hits_0', query: 'sum:…' }]);
    expect(explained.measurement.availability[0].canary.total).toHaveLength(30);
    expect(plain).not.toHaveProperty('measurement');
  });

  it('answers the same bytes to the same question, and others as soon as the data is others', async () => {
    const { app, world } = await bench();
    const first = await app.inject(login);
    expect((await app.inject(login)).body).toBe(first.body);
    world.nowMs += 60_000;
    world.measure = async (query) => snapshotOf(query, broken, healthy);
    expect((await app.inject(login)).json()).toMatchObject({ verdict: 'fail' });
  });

  it('answers a remembered verdict as a new one, to every reader and in the log', async () => {
    const { app, log } = await bench();
    const urls = [login, `${login}&explain`, `${login}&pretty`];
    const ofNew: string[] = [];
    for (const url of urls) ofNew.push((await (await bench()).app.inject(url)).body);
    for (const [i, url] of [...urls, ...urls].entries()) {
      const answer = await app.inject({ url, headers: { 'x-request-id': `run-${i}` } });
      expect(answer.body).toBe(ofNew[i % urls.length]);
    }
    const [first, ...others] = log;
    expect(others).toHaveLength(5);
    for (const [i, line] of others.entries()) {
      expect(Object.keys(line)).toEqual(Object.keys(first ?? {}));
      const { time, durationMs } = line;
      expect(line).toEqual({ ...first, reqId: `run-${i + 1}`, cached: true, time, durationMs });
    }
  });

  it('answers by the current registry', async () => {
    const { app, world } = await bench();
    await app.inject(login);
    const state = world.registry;
    const cujs = new Map(state?.registry.cujs);
    cujs.delete('login');
    world.registry = state && { ...state, registry: { ...state.registry, cujs } };
    expect((await app.inject(login)).json()).toMatchObject({ code: 'cuj_not_found' });
  });
});

describe('the hint', () => {
  it('of a CUJ that only observes does not say to abort', async () => {
    const { app, world } = await bench();
    world.measure = async (query) => snapshotOf(query, broken, healthy);
    expect((await app.inject('/cujs/browse/status?version=v2')).json()).toMatchObject({
      reason: 'observe_only',
      wouldBe: { reason: 'slo_violated' },
      hint: 'Nothing now. Set mode: enforce once you trust the CUJ.',
    });
  });

  it('says to swap the versions where stable came after the canary', async () => {
    const { app, world } = await bench();
    world.measure = async (query) => {
      const { services, ...rest } = snapshotOf(query, healthy, healthy);
      for (const { stable } of services.values()) {
        for (const of of [stable.whole, ...stable.requests.values()])
          of?.total.fill(0, 0, isRecent(query) ? -18 : undefined);
      }
      return { ...rest, services };
    };
    const answer = (await app.inject(`${login}&stable_version=v1`)).json();
    expect(answer).toMatchObject({
      reason: 'canary_indistinguishable',
      hint: 'Swap the two in the template (version, stable_version): version:v2 is the version before, version:v1 the new one.',
    });
    expect(answer.summary).toMatch(/swapped$/);
  });
});

describe('parameters of the canary in headers', () => {
  it('takes them, with dashes for underscores and without URL encoding', async () => {
    const { app } = await bench();
    const answer = await app.inject({
      url: '/cujs/login/status',
      headers: { 'X-Canary-Version': 'V2.1+build7', 'X-Canary-Stable-Version': 'v1' },
    });
    expect(answer.json()).toMatchObject({ canary: 'version:v2.1_build7', stable: 'version:v1' });
  });

  it('takes the same value in both places', async () => {
    const { app } = await bench();
    const answer = await app.inject({ url: login, headers: { 'x-canary-version': 'v2' } });
    expect(answer.statusCode).toBe(200);
  });

  it.each([
    [
      'different values in both places',
      { 'x-canary-version': 'v3' },
      'is "v2" in the query and "v3" in the header X-Canary-Version',
    ],
    [
      'two spellings of one header',
      { 'x-canary-stable-version': 'v1', 'x-canary-stable_version': 'v0' },
      'Parameter "stable_version"',
    ],
    ['an unknown parameter', { 'x-canary-versoin': 'v2' }, 'from the header X-Canary-Versoin'],
    ['a parameter of the gate', { 'x-canary-window': '5m' }, 'Unknown parameter "window"'],
    ['an empty value', { 'x-canary-stable-version': '' }, 'stable_version is empty'],
  ])('refuses %s', async (_, headers, detail) => {
    const { app } = await bench();
    const answer = await app.inject({ url: login, headers });
    expect(answer.json()).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.json().detail).toContain(detail);
  });
});

describe('misuse is never a verdict', () => {
  it.each([
    ['an unknown CUJ', '/cujs/logn/status?version=v2', 404, { code: 'cuj_not_found', nearest: ['login'] }],
    ['a missing parameter', '/cujs/login/status', 400, { code: 'invalid_request', parameter: 'version' }],
    [
      'an empty parameter',
      '/cujs/login/status?version=',
      400,
      { code: 'invalid_request', parameter: 'version' },
    ],
    [
      'a blank parameter',
      '/cujs/login/status?version=+',
      400,
      { code: 'invalid_request', parameter: 'version' },
    ],
    [
      'a parameter that Datadog could not store',
      '/cujs/login/status?version=%E3%81%82',
      400,
      { code: 'invalid_request' },
    ],
    ['a repeated parameter', `${login}&version=v3`, 400, { code: 'invalid_request', parameter: 'version' }],
    ['a repeated parameter, the same both times', `${login}&version=v2`, 400, { code: 'invalid_request' }],
    [
      'an unknown parameter',
      '/cujs/login/status?verson=v2',
      400,
      { hint: expect.stringContaining('Did you mean "version"?') },
    ],
    [
      "another service's parameter",
      `${login}&role=x`,
      400,
      { known: expect.arrayContaining(['version', 'pretty']) },
    ],
    [
      'a placeholder that nobody filled',
      '/cujs/login/status?version={{args.version}}',
      400,
      { parameter: 'version', hint: expect.stringContaining('placeholder') },
    ],
    [
      'a pattern',
      '/cujs/login/status?version=v*',
      400,
      { parameter: 'version', hint: expect.stringContaining('Wildcards are not supported') },
    ],
    [
      'a since without an offset',
      `${login}&since=2026-01-31T09:00:00`,
      400,
      {
        parameter: 'since',
        detail: expect.stringContaining('has no UTC offset'),
        hint: 'Add Z for UTC, or an offset such as +09:00.',
      },
    ],
    ['canary equal to stable', `${login}&stable_version=v2`, 400, { code: 'invalid_request' }],
    ['canary equal to stable once stored', `${login}&stable_version=V2`, 400, { code: 'invalid_request' }],
    ['a window that is none', `${login}&window=5x`, 400, { parameter: 'window' }],
    ['a since that is none', `${login}&since=yesterday`, 400, { parameter: 'since' }],
    ['a service that the CUJ has not', `${login}&service=payment-api`, 400, { services: ['member-api'] }],
    ['a flag that is neither yes nor no', `${login}&pretty=maybe`, 400, { parameter: 'pretty' }],
    ['a flag that is neither yes nor no', `${login}&explain=2`, 400, { parameter: 'explain' }],
    [
      'an unknown service',
      '/services/membr-api/status?version=v2',
      404,
      { code: 'service_not_found', nearest: ['member-api'] },
    ],
    [
      "a CUJ's parameter on a service",
      '/services/member-api/status?version=v2&service=x',
      400,
      { parameter: 'service' },
    ],
  ])('%s', async (_, url, status, expected) => {
    const { app, log } = await bench();
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.json()).toMatchObject({ status, ...expected });
    expect(answer.json()).not.toHaveProperty('verdict');
    expect(log.filter(({ msg }) => msg === 'verdict')).toEqual([]);
  });
});

describe('flags', () => {
  it.each([
    ['?pretty', 'pretty', true],
    ['?pretty=1', 'pretty=1', true],
    ['?pretty=true', 'pretty=true', true],
    ['?pretty=0', 'pretty=0', false],
    ['?pretty=false', 'pretty=false', false],
    ['none', '', false],
  ])('%s', async (_, text, pretty) => {
    const { app } = await bench();
    const { body } = await app.inject(`${login}&${text}`);
    expect(body.includes('\n  "verdict": "pass"')).toBe(pretty);
    const problem = await app.inject(`/cujs/nothing/status?${text}`);
    expect(problem.body.includes('\n  "status": 404')).toBe(pretty);
  });
});

describe('GET /services/:service/status', () => {
  it('answers the worst of its enforced CUJs and each of them', async () => {
    const { app, world } = await bench();
    world.measure = async (query) => snapshotOf(query, healthy, healthy, { 'post_/api/v1/signup': broken });
    const answer = await app.inject('/services/member-api/status?version=v2');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      verdict: 'fail',
      service: 'member-api',
      cujs: [
        { cuj: 'signup', verdict: 'fail' },
        { cuj: 'login', verdict: 'pass' },
        { cuj: 'browse', mode: 'observe' },
      ],
    });
    const explained = (await app.inject('/services/member-api/status?version=v2&explain')).json();
    expect(explained.verdicts).toHaveLength(3);
    expect(explained.verdicts[0]).toMatchObject({ measurement: { toMs: expect.any(Number) } });
  });
});

describe('what the gate does not know is 200 inconclusive', () => {
  it.each(['source_unavailable', 'source_rate_limited', 'source_timeout', 'source_malformed'] as const)(
    '%s',
    async (reason) => {
      const { app, world } = await bench();
      world.measure = async () => {
        throw new SourceError(reason, 'Datadog said no', 'Wait.');
      };
      for (const url of [login, '/services/member-api/status?version=v2']) {
        const answer = await app.inject(url);
        expect(answer.statusCode).toBe(200);
        expect(answer.json()).toMatchObject({ verdict: 'inconclusive', ok: false, reason, hint: 'Wait.' });
      }
    },
  );

  it('rejected keys are also an error in the log, once a minute', async () => {
    const { app, log, world } = await bench();
    world.measure = async () => {
      throw new SourceError('source_rejected', 'Datadog rejects the keys', 'Check DD_API_KEY.');
    };
    const errors = () => log.filter(({ level }) => level === 50);
    await app.inject(login);
    await app.inject(login);
    expect(errors()).toMatchObject([{ hint: 'Check DD_API_KEY.' }]);
    world.nowMs += 60_000;
    expect((await app.inject(login)).json()).toMatchObject({
      verdict: 'inconclusive',
      reason: 'source_rejected',
    });
    expect(errors()).toHaveLength(2);
  });

  it('a source that does not settle is told to stop before the deadline and overruled at it', async () => {
    const { app, log, world } = await bench({}, 'uncached');
    let told: AbortSignal | undefined;
    let give = (_: Error) => {};
    world.measure = (_, signal) =>
      new Promise((_resolve, reject) => {
        told = signal;
        give = reject;
      });
    const pending = app.inject(login);
    await waitFor(() => world.timers.length === 1);
    expect(world.timers[0]?.ms).toBe(7_750);
    world.timers.shift()?.fire();
    expect(told?.aborted).toBe(true);
    expect(world.timers.map(({ ms }) => ms)).toEqual([250]);
    world.timers.shift()?.fire();
    const answer = await pending;
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      verdict: 'inconclusive',
      reason: 'source_timeout',
      summary: 'INCONCLUSIVE login (source_timeout): Datadog did not answer within 8s',
      canary: 'version:v2',
      slis: [],
    });
    // What fails afterwards is not lost, and not answered twice.
    give(new Error('late and wrong'));
    await waitFor(() => log.some(({ msg }) => msg === 'request failed after its deadline'));
  });

  it('judges what has arrived where the source stops when it is told to', async () => {
    const { app, world } = await bench({}, 'uncached');
    world.measure = (query, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(snapshotOf(query, healthy, healthy)));
      });
    const pending = app.inject('/services/payment-api/status?role=canary');
    await waitFor(() => world.timers.length === 1);
    world.timers.shift()?.fire();
    expect((await pending).json()).toMatchObject({ verdict: 'pass', service: 'payment-api' });
    expect(world.timers).toEqual([]);
  });

  it('answers a service by its deadline as well', async () => {
    const { app, world } = await bench();
    world.measure = () => new Promise<Snapshot>(() => {});
    const pending = app.inject('/services/member-api/status?version=v2');
    await waitFor(() => world.timers.length === 1);
    world.timers.shift()?.fire();
    world.timers.shift()?.fire();
    const verdict = (await pending).json();
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'source_timeout' });
    expect(verdict.cujs).toHaveLength(3);
  });

  it('answers what it has at hand however many wait, and counts, logs and explains it as any other', async () => {
    const { app, world, log, metric } = await bench({ maxInflight: 1 });
    const first = (await app.inject(login)).json();
    world.measure = () => new Promise<Snapshot>(() => {});
    const waiting = app.inject('/cujs/pay/status?role=canary');
    await waitFor(() => app.inflight() === 1);
    const again = await app.inject({ url: login, headers: { 'x-request-id': 'run-8' } });
    expect(again.json()).toEqual(first);
    expect(again.headers['x-request-id']).toBe('run-8');
    expect(log.at(-1)).toMatchObject({ msg: 'verdict', cuj: 'login', reqId: 'run-8', cached: true });
    expect((await app.inject(`${login}&explain`)).json()).toMatchObject({
      ...first,
      queries: [{ name: 'c_hits_0' }],
    });
    const counted =
      'cuj_gate_verdicts_total{cuj="login",service="member-api",verdict="pass",reason="within_slo"}';
    expect(await metric(counted)).toBe(3);
    // Nobody waited for them, so no deadline was set but the waiting one's.
    expect(world.timers).toHaveLength(1);
    world.timers.shift()?.fire();
    world.timers.shift()?.fire();
    expect((await waiting).json()).toMatchObject({ reason: 'source_timeout' });
  });

  it('answers for a service what it has at hand of all its CUJs, and asks nothing for what it has not', async () => {
    const { app, world } = await bench({ maxInflight: 1 });
    const service = '/services/member-api/status?version=v2';
    const before = (await app.inject(service)).json();
    let asked = 0;
    world.measure = () => {
      asked += 1;
      return new Promise<Snapshot>(() => {});
    };
    const waiting = app.inject('/services/member-api/status?version=v3');
    await waitFor(() => app.inflight() === 1);
    const askedByTheFirst = asked;
    expect((await app.inject(service)).json()).toEqual(before);
    const overloaded = (await app.inject('/services/member-api/status?version=v4')).json();
    expect(overloaded).toMatchObject({
      verdict: 'inconclusive',
      reason: 'gate_overloaded',
      canary: 'version:v4',
    });
    expect(asked).toBe(askedByTheFirst);
    world.timers.shift()?.fire();
    world.timers.shift()?.fire();
    await waiting;
  });

  it('sheds load at once, but not misuse', async () => {
    const { app, world } = await bench({ maxInflight: 1 });
    let answer = (_: Snapshot) => {};
    world.measure = async (query) =>
      isRecent(query)
        ? new Promise((resolve) => {
            answer = () => resolve(snapshotOf(query, healthy, healthy));
          })
        : snapshotOf(query, healthy, healthy);
    const first = app.inject(login);
    await waitFor(() => app.inflight() === 1);
    const overloaded = await app.inject('/cujs/pay/status?role=canary');
    expect(overloaded.statusCode).toBe(200);
    expect(overloaded.json()).toMatchObject({
      verdict: 'inconclusive',
      reason: 'gate_overloaded',
      canary: 'role:canary',
    });
    expect((await app.inject('/services/payment-api/status?role=canary')).json()).toMatchObject({
      reason: 'gate_overloaded',
    });
    expect((await app.inject('/cujs/pay/status')).statusCode).toBe(400);
    expect((await app.inject('/cujs/nothing/status')).statusCode).toBe(404);
    answer({} as Snapshot);
    expect((await first).json()).toMatchObject({ verdict: 'pass' });
    expect(app.inflight()).toBe(0);
  });
});

describe('a fault of the gate itself', () => {
  it('is a 500 that tells nothing of the inside, and an error in the log under the same id', async () => {
    const { app, log, world } = await bench();
    world.measure = async () => {
      throw new TypeError('secret of the inside');
    };
    const answer = await app.inject({ url: login, headers: { 'x-request-id': 'run-7' } });
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toMatchObject({ code: 'internal_error', status: 500, type: 'about:blank' });
    expect(answer.body).not.toContain('secret');
    expect(log.find(({ level }) => level === 50)).toMatchObject({
      reqId: 'run-7',
      err: { message: 'secret of the inside' },
      msg: 'request failed',
    });
  });
});

describe('the log', () => {
  it('has one line for a verdict, with its numbers and where it came from', async () => {
    const { app, log } = await bench();
    await app.inject({ url: login, headers: { 'x-request-id': 'run-7', authorization: 'Bearer hunter2' } });
    await app.inject(login);
    expect(log).toHaveLength(2);
    expect(log[0]).toMatchObject({
      level: 30,
      msg: 'verdict',
      cuj: 'login',
      service: 'member-api',
      verdict: 'pass',
      reason: 'within_slo',
      canary: 'version:v2',
      stable: 'the rest',
      sli: { availability: { value: 1, bad: 0, total: 18_000 }, latency: { value: 1 } },
      window: { from: '2026-01-31T08:29:00.000Z', to: '2026-01-31T08:59:00.000Z' },
      reqId: 'run-7',
      durationMs: expect.any(Number),
      cached: false,
    });
    expect(log[1]).toMatchObject({ msg: 'verdict', cached: true });
    expect(JSON.stringify(log)).not.toContain('hunter2');
  });

  it('has twenty refusals of ten seconds, and then says how many more there were', async () => {
    const { app, log, world } = await bench();
    for (let i = 0; i < 25; i += 1) await app.inject(`/cujs/nothing-${i}`);
    expect(log.filter(({ msg }) => msg === 'refused')).toHaveLength(20);
    world.nowMs += 10_000;
    await app.inject('/cujs/one-more');
    const refused = log.filter(({ msg }) => msg === 'refused');
    expect(refused).toHaveLength(21);
    expect(refused.at(-1)).toMatchObject({ url: '/cujs/one-more', suppressed: 5 });
  });

  it.each([
    [`${login}&token=hunter2&explain=1`, `${login}&token=[redacted]&explain=1`],
    ['/cujs/nothing?access_token=hunter2', '/cujs/nothing?access_token=[redacted]'],
    ['/cujs/nothing?version=v2&t%6fken=hunter2=', '/cujs/nothing?version=v2&t%6fken=[redacted]'],
    [`${login}&token=hunter2&token=hunter2`, `${login}&token=[redacted]&token=[redacted]`],
    [`${login}&token=hunter2%`, `${login}&token=[redacted]`],
    [`${login}&%zz=hunter2`, `${login}&%zz=[redacted]`],
    [`${login}&stable_version=%zz`, `${login}&stable_version=%zz`],
    ['/cujs?token=hunter2', '/cujs?token=[redacted]'],
  ])('of the refusal of %s has what a known parameter stands for, and of no other', async (url, logged) => {
    const { app, log } = await bench();
    const { statusCode } = await app.inject({ url, headers: { 'x-canary-token': 'hunter2' } });
    expect(statusCode).toBeGreaterThanOrEqual(400);
    expect(log.find(({ msg }) => msg === 'refused')).toMatchObject({ url: logged });
    expect(JSON.stringify(log)).not.toContain('hunter2');
  });

  it.each([
    ['a path', '/cujs/lo\u009bgin%E2%80%AE/status?version=v2'],
    ['the name of a parameter', `${login}&ver\u0085sion%E2%80%AE%E2%81%A6=1`],
    ['the value of a parameter', `${login}&window=5m%C2%9B%E2%80%A8%D8%9C`],
    ['a service', '/services/member%E2%80%8B-api/status'],
    ['a route that is none', '/nothing%C2%9B/\u009b'],
  ])('and the answer show what in %s a terminal would obey or not show', async (_, url) => {
    const { app, log } = await bench();
    const { statusCode, body } = await app.inject(url);
    expect(statusCode).toBeGreaterThanOrEqual(400);
    for (const text of [body, JSON.stringify(log), JSON.parse(body).detail]) {
      expect(text).not.toMatch(/[\u007f-\u009f\u2028\u2029\p{Cf}]/u);
    }
  });

  it('and the answer show what in a header a terminal would obey', async () => {
    const { app, log } = await bench();
    for (const headers of [
      { 'x-canary-version': 'v\u009b2J' },
      { 'x-canary-version': 'v2', 'x-canary-stable-version': '\u0085' },
    ]) {
      const { statusCode, body } = await app.inject({ url: '/cujs/login/status?version=v2', headers });
      expect(statusCode).toBe(400);
      expect(body + JSON.stringify(log)).not.toMatch(/[\u007f-\u009f]/);
    }
  });

  it('has one debug line for any other request', async () => {
    const { app, log } = await bench();
    await app.inject('/registry');
    await app.inject('/nothing');
    expect(log).toMatchObject([
      { level: 20, msg: 'answered', route: '/registry', status: 200 },
      { level: 20, msg: 'answered', route: 'none', status: 404 },
    ]);
  });

  it.each([
    ['none', undefined],
    ['one with a line break', 'a\\nb'],
    ['one that is too long', 'x'.repeat(200)],
    ['one with a space', 'a b'],
  ])('has an id of our own for a request that brings %s, and no two the same', async (_, id) => {
    const { app, log } = await bench();
    const headers = id === undefined ? {} : { 'x-request-id': id };
    const ids = [await app.inject({ url: login, headers }), await app.inject({ url: login, headers })].map(
      (answer) => answer.headers['x-request-id'],
    );
    expect(ids[0]).toMatch(/^[0-9a-f]{12}-[0-9a-z]+$/);
    expect(ids[0]).not.toBe(ids[1]);
    expect(log.map(({ reqId }) => reqId)).toEqual(ids);
  });
});

/** Turns of the event loop, not time, until something is so. */
async function waitFor(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000; turn += 1) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('it never came to that');
}
