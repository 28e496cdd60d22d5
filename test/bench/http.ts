import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { request } from 'undici';
import { startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { buildGate } from '../e2e/gate-program.ts';
import { type Figure, ratios } from './figure.ts';
import { closedLoad, openLoad, run, startGate, startRaw } from './processes.ts';

/** The hit path: a verdict whose counts are in the cache, against node:http that sends the very same body. */

const registry = `apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.95 }, gate: { lag: 90s } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}" }
cujs:
  - { name: signup, title: Sign-up, owner: team-identity, service: member-api, endpoints: [POST /api/v1/signup, POST /api/v1/signup/phone] }
`;

/**
 * Other load on the machine changes its speed every second, and can only make it slower. The two sides therefore run in
 * many short slices in turn, and the best slice of each is compared.
 */
const sliceSeconds = 1;
const slicesOfRound = 4;

const noTimes = () => ({ perSecond: [] as number[], cpu: [] as number[], p99: [] as number[] });

export async function measureHttp(rounds: number, folder: string): Promise<Figure[]> {
  const datadog = await startDatadogSimulator({ now: Date.now });
  const nowMs = Date.now();
  for (let at = nowMs - 20 * 60_000; at < nowMs + 20 * 60_000; at += 10_000) {
    for (const resource of ['POST /api/v1/signup', 'POST /api/v1/signup/phone']) {
      for (const version of ['v1', 'v2'])
        datadog.store.recordRequests({
          operation: 'http.request',
          env: 'production',
          service: 'member-api',
          version,
          resource,
          statusCode: 200,
          at,
          count: 100,
        });
    }
  }
  const registryFile = path.join(folder, 'http.yaml');
  writeFileSync(registryFile, registry);
  const file = await buildGate(path.join(folder, 'gate'));
  const gate = await startGate(file, {
    DD_URL: datadog.url,
    CUJ_GATE_REGISTRY: registryFile,
    CUJ_GATE_CACHE_TTL: '10m',
  });
  const question = '/cujs/signup/status?version=v2';
  const { body } = await request(gate.url + question);
  const answer = await body.text();
  const bodyFile = path.join(folder, 'answer.json');
  writeFileSync(bodyFile, answer);
  const raw = await startRaw(bodyFile);
  try {
    const throughput = (await hasWrk())
      ? wrk
      : async (url: string) => (await closedLoad(url, sliceSeconds)).perSecond;
    const ours = { url: gate.url + question, pid: gate.pid, ...noTimes() };
    const theirs = { url: raw.url, pid: raw.pid, ...noTimes() };
    for (let round = -1; round < rounds; round += 1) {
      const slices = [ours, theirs].map(() => ({ perSecond: [] as number[], cpu: [] as number[] }));
      for (let slice = 0; slice < slicesOfRound; slice += 1) {
        for (const [i, { url, pid }] of [ours, theirs].entries()) {
          const before = processorTicks(pid);
          const perSecond = await throughput(url);
          slices[i]?.perSecond.push(perSecond);
          slices[i]?.cpu.push((processorTicks(pid) - before) / perSecond);
        }
      }
      const open = await openLoad([ours.url, theirs.url], 6, 1000);
      // The first round warms up.
      if (round < 0) continue;
      for (const [i, into] of [ours, theirs].entries()) {
        into.perSecond.push(Math.max(...(slices[i]?.perSecond ?? [])));
        into.cpu.push(Math.min(...(slices[i]?.cpu ?? [])));
        into.p99.push(open[i]?.p99Ms ?? Number.NaN);
      }
    }
    const size = `${(Buffer.byteLength(answer) / 1000).toFixed(1)} KB`;
    return [
      {
        name: `http: answers from the cache, against raw node:http (${size})`,
        values: ratios(ours.perSecond, theirs.perSecond),
        unit: '×',
        target: { atLeast: 0.25 },
      },
      {
        // CPU time gives the throughput of an idle machine: it hardly depends on other load.
        name: "http: processor time of an answer from the cache, against raw node:http's",
        values: ratios(ours.cpu, theirs.cpu),
        unit: '×',
      },
      {
        name: 'http: p99 at 1,000 questions a second, open loop, against raw node:http',
        values: ratios(ours.p99, theirs.p99),
        unit: '×',
        target: { atMost: 1.5 },
      },
      { name: 'http: p99 at 1,000 questions a second', values: ours.p99, unit: 'ms' },
      { name: "http: raw node:http's p99 at the same rate", values: theirs.p99, unit: 'ms' },
    ];
  } finally {
    await gate.stop();
    await raw.stop();
    await datadog.stop();
  }
}

/** Linux only, NaN elsewhere: user and system time of the process so far. Both loads take the same time. */
function processorTicks(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return Number.NaN;
  }
}

async function hasWrk(): Promise<boolean> {
  // Without arguments it prints its usage and ends with 1.
  return run('wrk', ['--version']).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

async function wrk(url: string): Promise<number> {
  const { stdout } = await run('wrk', ['-t1', '-c32', `-d${sliceSeconds}s`, url]);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
}
