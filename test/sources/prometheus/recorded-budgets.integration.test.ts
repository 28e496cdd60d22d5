import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../../../src/cli.ts';
import { capture } from '../../commands/io.ts';
import { isInstalled, startBackend } from './real-backends.ts';
import { replayRules } from './replay-rules.ts';
import { document, type StoredSeries, timedDocument } from './traffic.ts';

/** From counters to a report: the generated rules, accepted by vmalert, evaluated over days of the past by VictoriaMetrics, and read by the gate. */

const isThere = isInstalled('victoria-metrics') && spawnSync('vmalert', ['-version']).status === 0;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const nowMs = Math.floor(Date.now() / hourMs) * hourMs - 3 * hourMs;
/** More than a third of the SLO's window of seven days. */
const beginMs = nowMs - 72 * hourMs;

function counter(own: Readonly<Record<string, string>>, perMinute: number): StoredSeries {
  const samples: [number, number][] = [];
  for (let atMs = beginMs; atMs <= nowMs; atMs += minuteMs)
    samples.push([atMs, Math.floor(((atMs - beginMs) / minuteMs) * perMinute)]);
  const labels = { job: 'orders', instance: 'a:1', version: 'V1', method: 'POST', route: '/Orders/{id}' };
  return { metric: { __name__: 'http_requests_total', ...labels, ...own }, samples };
}

const bucket = (le: string, perMinute: number) =>
  counter({ __name__: 'http_request_duration_seconds_bucket', le }, perMinute);

it.runIf(isThere)('a report knows the budgets that generated rules have recorded', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'budgets-'));
  const backend = await startBackend('victoria-metrics', {
    series: [
      counter({ code: '200' }, 600),
      counter({ code: '503' }, 0.24),
      counter({ code: '401' }, 0.12),
      bucket('0.3', 570),
      bucket('1', 600),
      bucket('+Inf', 600),
    ],
  });
  try {
    const path = join(folder, 'cujs.json');
    const defaults = { slo: { availability: 99.9, latency: 90, window: '7d' } };
    const order = {
      name: 'order',
      owner: 'team-orders',
      service: 'orders',
      endpoints: [{ method: 'POST', path: '/Orders/{id}', latencyMs: 300 }],
    };
    const login = { ...order, name: 'login', failure: ['5xx', 401] };
    writeFileSync(
      path,
      JSON.stringify({ ...document, sources: timedDocument.sources, defaults, cujs: [order, login] }),
    );
    const env = {
      CUJ_GATE_BACKEND: 'prometheus',
      CUJ_GATE_PROMETHEUS_URL: backend.url,
      CUJ_GATE_REGISTRY: path,
    };
    const cujGate = async (...args: string[]) => {
      const { io, stdout, stderr } = capture({ env, now: () => nowMs });
      const code = await run(args, io);
      return { code, stdout: stdout(), stderr: stderr() };
    };
    expect((await cujGate('report')).stdout).toContain('unknown');
    const rules = (await cujGate('generate', 'prometheus-slos')).stdout;
    const file = join(folder, 'cujs.rules.yaml');
    writeFileSync(file, rules);
    expect(spawnSync('vmalert', ['-dryRun', `-rule=${file}`])).toMatchObject({ status: 0 });
    const flush = async () => {
      await fetch(`${backend.url}/internal/force_flush`);
      await fetch(`${backend.url}/internal/resetRollupResultCache`);
    };
    const times = { fromMs: beginMs, toMs: nowMs, stepMs: 10 * minuteMs };
    await replayRules(backend.url, rules, { ...times, flush });
    const { code, stdout } = await cujGate('report', '--json');
    expect(code).toBe(0);
    const [ofLogin, cuj] = JSON.parse(stdout).cujs;
    expect(cuj).toMatchObject({
      cuj: 'order',
      state: 'fine',
      slis: [
        { objective: 99.9, datadogObjective: null },
        { sli: 'latency', objective: 90 },
      ],
    });
    expect(cuj.slis[0].remaining).toBeCloseTo(0.6, 2);
    expect(cuj.slis[0].value).toBeCloseTo(0.9996, 5);
    expect(cuj.slis[0].recentBurn).toBeCloseTo(0.4, 2);
    expect(cuj.slis[1].remaining).toBeCloseTo(0.5, 2);
    expect(cuj.slis[1].value).toBeCloseTo(0.95, 3);
    expect(ofLogin.slis[0].value).toBeCloseTo(0.9994, 5);
    expect(ofLogin.slis[0].remaining).toBeCloseTo(0.4, 2);
    expect((await cujGate('doctor')).stdout).not.toMatch(/slo-missing|slo-objective/);
  } finally {
    await backend.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
