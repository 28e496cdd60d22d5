import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../free-ports.ts';
import type { StoredSeries } from './traffic.ts';

/** Prometheus and VictoriaMetrics themselves, on loopback, with data of the past in them. Debian has a package of each. */

export interface RealBackend {
  readonly url: string;
  close(): Promise<void>;
}

export type BackendProgram = 'prometheus' | 'victoria-metrics';

export function isInstalled(program: BackendProgram): boolean {
  const needed = program === 'prometheus' ? ['prometheus', 'promtool'] : [program];
  return needed.every((one) => spawnSync(one, ['--version']).status === 0);
}

/**
 * Starts the program with these series, with a target that it scrapes every second where there is one (`host:port`), and with more
 * options.
 */
export async function startBackend(
  program: BackendProgram,
  series: readonly StoredSeries[],
  target?: string,
  more: readonly string[] = [],
): Promise<RealBackend> {
  const folder = mkdtempSync(join(tmpdir(), `${program}-`));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = join(folder, 'config.yml');
  writeFileSync(config, scrapeConfig(target));
  const data = join(folder, 'data');
  mkdirSync(data);
  const isPrometheus = program === 'prometheus';
  if (isPrometheus && series.length > 0) {
    const text = join(folder, 'past.txt');
    writeFileSync(text, openMetrics(series));
    execFileSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', text, data], { stdio: 'pipe' });
  }
  const options = isPrometheus
    ? [
        `--config.file=${config}`,
        `--storage.tsdb.path=${data}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--storage.tsdb.retention.time=10y',
      ]
    : [
        `-promscrape.config=${config}`,
        `-storageDataPath=${data}`,
        `-httpListenAddr=127.0.0.1:${port}`,
        '-retentionPeriod=10y',
      ];
  const child = spawn(program, [...options, ...more], { stdio: 'ignore' });
  const backend = { url, close: () => stop(child, folder) };
  try {
    await answers(child, `${url}${isPrometheus ? '/-/ready' : '/health'}`);
    if (!isPrometheus && series.length > 0) {
      await fetch(`${url}/api/v1/import`, { method: 'POST', body: importLines(series) });
      // It shows new samples after a second.
      await fetch(`${url}/internal/force_flush`);
      await fetch(`${url}/internal/resetRollupResultCache`);
    }
    return backend;
  } catch (error) {
    await backend.close();
    throw error;
  }
}

async function answers(child: ChildProcess, url: string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the program ended with ${child.exitCode}`);
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await delay(50);
  }
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}

function scrapeConfig(target: string | undefined): string {
  const jobs =
    target === undefined
      ? ''
      : `
  - job_name: live
    scrape_interval: 1s
    scrape_timeout: 1s
    static_configs: [{ targets: ["${target}"] }]`;
  return `global: { scrape_interval: 15s }
scrape_configs: ${jobs === '' ? '[]' : jobs}
`;
}

function labelsText(metric: StoredSeries['metric']): string {
  const escaped = (value: string) => value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
  return Object.entries(metric)
    .filter(([key]) => key !== '__name__')
    .map(([key, value]) => `${key}="${escaped(value)}"`)
    .join(',');
}

function openMetrics(series: readonly StoredSeries[]): string {
  const names = [...new Set(series.map(({ metric }) => metric.__name__ as string))];
  const lines = names.flatMap((name) => [
    name.endsWith('_total') ? `# TYPE ${name.slice(0, -'_total'.length)} counter` : `# TYPE ${name} gauge`,
    ...series
      .filter(({ metric }) => metric.__name__ === name)
      .flatMap(({ metric, samples }) =>
        samples.map(([atMs, value]) => `${name}{${labelsText(metric)}} ${value} ${atMs / 1000}`),
      ),
  ]);
  return `${lines.join('\n')}\n# EOF\n`;
}

function importLines(series: readonly StoredSeries[]): string {
  return series
    .map(({ metric, samples }) =>
      JSON.stringify({
        metric,
        values: samples.map(([, value]) => value),
        timestamps: samples.map(([atMs]) => atMs),
      }),
    )
    .join('\n');
}
