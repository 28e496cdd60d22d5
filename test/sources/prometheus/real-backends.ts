import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms } from '../../e2e/programs.ts';
import { freePort } from '../../free-ports.ts';
import { BackendProcesses } from './backend-process.ts';
import { startMimir } from './mimir.ts';
import { addPrometheus, scrapeConfig } from './prometheus-program.ts';
import { startThanos, startThanosReceive } from './thanos.ts';
import type { StoredSeries } from './traffic.ts';

/**
 * The backends themselves, on loopback, with data of the past in them. Prometheus 2 and VictoriaMetrics are Debian's; the others are
 * built by Go (`npm run test:backends`).
 */

export interface RealBackend {
  readonly url: string;
  /** X-Scope-OrgID. */
  readonly tenant?: string;
  close(): Promise<void>;
}

export interface BackendOptions {
  readonly series: readonly StoredSeries[];
  /** Scraped every second: `host:port`. */
  readonly target?: string | undefined;
  /** Scrapes native histograms. */
  readonly isNative?: boolean;
}

const ofDebian = ['prometheus', 'victoria-metrics'] as const;
const ofGo = ['prometheus-3', 'thanos', 'thanos-receive', 'mimir'] as const;
export type BackendProgram = (typeof ofDebian)[number] | (typeof ofGo)[number];

/** Those that this run tests. */
export const testedBackends: readonly BackendProgram[] = chosen();

function chosen(): readonly BackendProgram[] {
  if (process.env.TEST_SET !== 'backends') return ofDebian;
  const { TEST_BACKEND: name } = process.env;
  const found = ofGo.filter((one) => name === undefined || one === name);
  if (found.length === 0) throw new Error(`TEST_BACKEND=${name}: not one of ${ofGo.join(', ')}`);
  return found;
}

/** Builds what this run tests. */
export async function buildBackends(): Promise<void> {
  const products = testedBackends.flatMap((program) => {
    if (program === 'thanos' || program === 'thanos-receive') return ['thanos'] as const;
    return program === 'mimir' || program === 'prometheus-3' ? [program] : [];
  });
  await ensurePrograms(products);
}

/** Whether it can be started. What Go builds is built before. */
export function isInstalled(program: BackendProgram): boolean {
  const isThere = (one: string) => spawnSync(one, ['--version']).status === 0;
  if (program === 'victoria-metrics') return isThere(program);
  // promtool writes the past.
  return isThere('promtool') && (program !== 'prometheus' || isThere(program));
}

/** Starts the program with these series, and with a target that it scrapes where there is one. */
export async function startBackend(program: BackendProgram, options: BackendOptions): Promise<RealBackend> {
  switch (program) {
    case 'victoria-metrics':
      return startVictoriaMetrics(options);
    case 'thanos': {
      // A replica that has everything, and one that was started late.
      const { series, ...more } = options;
      const labelsOf = (replica: string) => ({ cluster: 'eu', replica });
      const stores = [
        { labels: labelsOf('a'), series, ...more },
        { labels: labelsOf('b'), series: laterHalf(series) },
      ];
      return startThanos({ stores });
    }
    case 'thanos-receive':
      return startThanosReceive(options);
    case 'mimir':
      return startMimir(options);
    default:
      return startPrometheus(program, options);
  }
}

async function startPrometheus(
  program: 'prometheus' | 'prometheus-3',
  options: BackendOptions,
): Promise<RealBackend> {
  const processes = new BackendProcesses(program);
  try {
    const url = await addPrometheus(processes, program, { program, ...options });
    return { url, close: () => processes.close() };
  } catch (error) {
    await processes.close();
    throw error;
  }
}

async function startVictoriaMetrics({ series, target }: BackendOptions): Promise<RealBackend> {
  const processes = new BackendProcesses('victoria-metrics');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = join(processes.folder, 'config.yml');
  writeFileSync(config, scrapeConfig({ target }));
  try {
    const options = [
      `-promscrape.config=${config}`,
      `-storageDataPath=${join(processes.folder, 'data')}`,
      `-httpListenAddr=127.0.0.1:${port}`,
      '-retentionPeriod=10y',
    ];
    await processes.start('victoria-metrics', 'victoria-metrics', options, `${url}/health`);
    if (series.length > 0) {
      await fetch(`${url}/api/v1/import`, { method: 'POST', body: importLines(series) });
      // It shows new samples after a second.
      await fetch(`${url}/internal/force_flush`);
      await fetch(`${url}/internal/resetRollupResultCache`);
    }
    return { url, close: () => processes.close() };
  } catch (error) {
    await processes.close();
    throw error;
  }
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

/** The samples of the later half of all time. */
function laterHalf(series: readonly StoredSeries[]): StoredSeries[] {
  const times = series.flatMap(({ samples }) => samples.map(([atMs]) => atMs));
  const [fromMs, toMs] = times.reduce(
    ([least, most], atMs) => [Math.min(least, atMs), Math.max(most, atMs)],
    [Number.POSITIVE_INFINITY, 0] as [number, number],
  );
  return series.flatMap(({ metric, samples }) => {
    const late = samples.filter(([atMs]) => atMs > (fromMs + toMs) / 2);
    return late.length === 0 ? [] : [{ metric, samples: late }];
  });
}
