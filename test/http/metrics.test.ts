import { describe, expect, it, vi } from 'vitest';
import { SourceError } from '../../src/domain/errors.ts';
import { forgetAfterMs } from '../../src/http/operations/metrics.ts';
import {
  bench,
  broken,
  digest,
  document,
  healthy,
  isRecent,
  nowMs,
  registryOf,
  snapshotOf,
} from './fixture.ts';

const login = '/cujs/login/status?version=v2';

async function text(app: Awaited<ReturnType<typeof bench>>['app']): Promise<string> {
  const answer = await app.inject('/metrics');
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  return answer.body;
}

describe('GET /metrics', () => {
  it('counts verdicts by CUJ, service, verdict and reason', async () => {
    const { app, world, metric } = await bench();
    await app.inject(login);
    await app.inject(login);
    await app.inject('/services/member-api/status?version=v2');
    world.nowMs += 60_000;
    world.measure = async () => {
      throw new SourceError('source_unavailable', 'gone', 'Wait.');
    };
    await app.inject(login);
    const total = (cuj: string, verdict: string, reason: string) =>
      metric(
        `cuj_gate_verdicts_total{cuj="${cuj}",service="member-api",verdict="${verdict}",reason="${reason}"}`,
      );
    expect(await total('login', 'pass', 'within_slo')).toBe(2);
    expect(await total('*', 'pass', 'within_slo')).toBe(1);
    expect(await total('login', 'inconclusive', 'source_unavailable')).toBe(1);
  });

  it('shows the latest numbers of every CUJ, both scopes', async () => {
    const { app, world, metric } = await bench();
    world.measure = async (query) => snapshotOf(query, broken, healthy);
    await app.inject(login);
    const labels = 'cuj="login",service="member-api",sli="availability"';
    expect(await metric(`cuj_gate_sli_ratio{${labels},scope="canary"}`)).toBe(0.9);
    expect(await metric(`cuj_gate_sli_ratio{${labels},scope="stable"}`)).toBe(1);
    expect(await metric(`cuj_gate_events{${labels},scope="canary",kind="bad"}`)).toBe(1_800);
    expect(await metric(`cuj_gate_events{${labels},scope="canary",kind="good"}`)).toBe(16_200);
    expect(await metric(`cuj_gate_evidence{${labels}}`)).toBeGreaterThan(40);
    // One that could not be measured does not take the last numbers away.
    world.nowMs += 60_000;
    world.measure = async () => {
      throw new SourceError('source_unavailable', 'gone', 'Wait.');
    };
    await app.inject(login);
    expect(await metric(`cuj_gate_sli_ratio{${labels},scope="canary"}`)).toBe(0.9);
  });

  it('forgets a canary that nobody has asked about for a while', async () => {
    const { app, world } = await bench();
    await app.inject(login);
    world.nowMs += forgetAfterMs;
    expect(await text(app)).toContain('cuj_gate_evidence{cuj="login"');
    world.nowMs += 1;
    expect(await text(app)).not.toContain('cuj_gate_evidence{cuj="login"');
  });

  it('forgets a CUJ that leaves the registry', async () => {
    const { app, world } = await bench();
    await app.inject(login);
    const state = world.registry;
    const cujs = new Map(state?.registry.cujs);
    cujs.delete('login');
    world.registry = state && { ...state, registry: { ...state.registry, cujs } };
    expect(await text(app)).not.toMatch(/^cuj_gate_(sli_ratio|events|evidence)\{cuj="login"/m);
    expect(await text(app)).not.toContain('cuj="login"');
  });

  it('forgets a service that leaves the registry, and a CUJ that moves to another one', async () => {
    const { app, world } = await bench();
    await app.inject('/services/payment-api/status?role=canary');
    await app.inject(login);
    await app.inject('/cujs/signup/status?version=v2');
    expect(await text(app)).toContain('cuj_gate_verdicts_total{cuj="*",service="payment-api"');
    const services = { ...document.services, 'new-api': document.services?.['member-api'] as never };
    delete (services as Record<string, unknown>)['payment-api'];
    const cujs = (document.cujs ?? [])
      .filter(({ name }) => name !== 'pay')
      .map((cuj) => (cuj.name === 'login' ? { ...cuj, service: 'new-api' } : cuj));
    world.registry = world.registry && {
      ...world.registry,
      registry: registryOf({ ...document, services, cujs }),
    };
    const shown = await text(app);
    expect(shown).not.toContain('payment-api');
    expect(shown).not.toContain('cuj="login"');
    expect(shown).toContain('cuj="signup"');
  });

  it('forgets an SLI that leaves its CUJ', async () => {
    const { app, world } = await bench();
    await app.inject(login);
    expect(await text(app)).toContain('cuj="login",service="member-api",sli="latency"');
    const cujs = (document.cujs ?? []).map((cuj) =>
      cuj.name === 'login'
        ? { ...cuj, slo: { availability: 99.95 }, endpoints: ['POST /api/v1/login'] }
        : cuj,
    );
    world.registry = world.registry && { ...world.registry, registry: registryOf({ ...document, cujs }) };
    const shown = await text(app);
    expect(shown).toContain('cuj="login",service="member-api",sli="availability"');
    expect(shown).not.toContain('sli="latency"');
  });

  it('drops what answers under way at the reload count, and counts anew when the CUJ is back', async () => {
    const { app, world, metric } = await bench();
    const before = world.registry;
    const cujs = new Map(before?.registry.cujs);
    cujs.delete('login');
    const without = before && { ...before, registry: { ...before.registry, cujs } };
    let answer = () => {};
    world.measure = async (query) =>
      isRecent(query)
        ? new Promise((resolve) => {
            answer = () => resolve(snapshotOf(query, healthy, healthy));
          })
        : snapshotOf(query, healthy, healthy);
    const late = app.inject(login);
    await vi.waitFor(() => expect(app.inflight()).toBe(1));
    world.registry = without;
    expect(await text(app)).not.toContain('cuj="login"');
    answer();
    expect((await late).statusCode).toBe(200);
    for (let scrape = 0; scrape < 2; scrape += 1) expect(await text(app)).not.toContain('cuj="login"');
    world.registry = before;
    await app.inject(login);
    const labels = 'cuj="login",service="member-api",verdict="pass",reason="within_slo"';
    expect(await metric(`cuj_gate_verdicts_total{${labels}}`)).toBe(1);
  });

  it('never takes a label from a caller', async () => {
    const { app } = await bench();
    for (const url of [
      '/cujs/login/status?version=evil-1',
      '/cujs/evil-2/status?version=v2',
      '/services/evil-3/status',
      '/evil-4',
      '/cujs/login/status?evil-5',
    ]) {
      await app.inject(url);
    }
    await app.inject({ method: 'OPTIONS', url: '/evil-6' });
    await app.inject({ url: '/cujs/%zz-evil-7' });
    expect(await text(app)).not.toContain('evil');
  });

  it('times requests by route template, method and code', async () => {
    const { app, metric } = await bench();
    await app.inject(login);
    await app.inject('/cujs/nothing/status');
    await app.inject('/nothing');
    await app.inject({ method: 'DELETE', url: '/cujs' });
    await app.inject({ method: 'HEAD', url: '/healthz' });
    const count = (route: string, method: string, code: number) =>
      metric(
        `cuj_gate_http_request_duration_seconds_count{route="${route}",method="${method}",code="${code}"}`,
      );
    expect(await count('/cujs/:name/status', 'GET', 200)).toBe(1);
    expect(await count('/cujs/:name/status', 'GET', 404)).toBe(1);
    expect(await count('none', 'GET', 404)).toBe(1);
    expect(await count('none', 'other', 405)).toBe(1);
    expect(await count('/healthz', 'HEAD', 200)).toBe(1);
  });

  it('tells of the registry', async () => {
    const { world, metric } = await bench();
    world.registry = world.registry && { ...world.registry, reloadErrors: 3 };
    expect(await metric(`cuj_gate_registry_info{digest="${digest}"}`)).toBe(1);
    expect(await metric('cuj_gate_registry_cujs')).toBe(4);
    expect(await metric('cuj_gate_registry_reload_errors_total')).toBe(3);
    expect(await metric('cuj_gate_registry_last_reload_successful')).toBe(1);
    expect(await metric('cuj_gate_registry_loaded_timestamp_seconds')).toBe((nowMs - 60_000) / 1000);
    expect(await metric('cuj_gate_inflight_requests')).toBe(0);
  });

  it('says for as long as it lasts that the files are not the current registry', async () => {
    const { world, metric } = await bench();
    const good = world.registry;
    world.registry = good && { ...good, failure: { atMs: 0, problems: [] } };
    expect(await metric('cuj_gate_registry_last_reload_successful')).toBe(0);
    world.registry = good;
    expect(await metric('cuj_gate_registry_last_reload_successful')).toBe(1);
  });

  it('names things as Prometheus asks: help for each, _total on counters and on nothing else', async () => {
    const { app } = await bench();
    await app.inject(login);
    const lines = (await text(app)).split('\n');
    const types = lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ').slice(2));
    expect(types.map(([name]) => name)).toContain('process_cpu_seconds_total');
    for (const [name, type] of types) {
      expect(name?.endsWith('_total'), name).toBe(type === 'counter');
      expect(lines.some((line) => line.startsWith(`# HELP ${name} `) && line.length > 20)).toBe(true);
    }
  });
});
