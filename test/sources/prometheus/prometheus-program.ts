import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms } from '../../e2e/programs.ts';
import { freePort } from '../../free-ports.ts';
import type { BackendProcesses } from './backend-process.ts';
import type { StoredSeries } from './traffic.ts';

export interface PrometheusProgramOptions {
  readonly program: 'prometheus' | 'prometheus-3';
  readonly series: readonly StoredSeries[];
  /** Scraped every second: `host:port`. */
  readonly target?: string | undefined;
  /** Scrapes native histograms. */
  readonly isNative?: boolean | undefined;
  readonly externalLabels?: Readonly<Record<string, string>>;
  /** Where all samples are written to as well. */
  readonly remoteWrite?: object;
  /** Of the target; 1s when left out. */
  readonly scrapeInterval?: string;
  /** A file of rules, evaluated every second from a reload (`POST /-/reload`) on that finds it. */
  readonly rules?: string;
}

/** Starts a Prometheus with blocks of these series. Resolves to its address when it answers. */
export async function addPrometheus(
  processes: BackendProcesses,
  name: string,
  options: PrometheusProgramOptions,
): Promise<string> {
  const { program, series, isNative = false } = options;
  const isOld = program === 'prometheus';
  const command = isOld ? program : (await ensurePrograms(['prometheus-3']))['prometheus-3'].program;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const folder = join(processes.folder, `${name}-data`);
  mkdirSync(folder);
  const config = join(processes.folder, `${name}.yml`);
  writeFileSync(config, scrapeConfig(options, isNative && !isOld ? { scrape_native_histograms: true } : {}));
  if (series.length > 0) {
    const text = join(processes.folder, `${name}-past.txt`);
    writeFileSync(text, openMetrics(series));
    execFileSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', text, folder], { stdio: 'pipe' });
  }
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${folder}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--storage.tsdb.retention.time=10y',
    // Prometheus 3 has a setting of the job instead.
    ...(isNative && isOld ? ['--enable-feature=native-histograms'] : []),
    ...(options.rules === undefined ? [] : ['--web.enable-lifecycle', '--web.enable-remote-write-receiver']),
  ];
  await processes.start(name, command, args, `${url}/-/ready`);
  return url;
}

/** A part of `remote_write` that sends without waiting for more. */
export function remoteWriteTo(
  url: string,
  {
    headers = {},
    isNative = false,
  }: { headers?: Readonly<Record<string, string>>; isNative?: boolean | undefined } = {},
): object {
  const queue_config = { batch_send_deadline: '200ms', min_backoff: '100ms' };
  return { url, headers, queue_config, send_native_histograms: isNative };
}

type ScrapeOptions = Pick<
  PrometheusProgramOptions,
  'target' | 'externalLabels' | 'remoteWrite' | 'scrapeInterval' | 'rules'
>;

/** JSON is YAML. */
export function scrapeConfig(
  { target, externalLabels, remoteWrite, rules, scrapeInterval = '1s' }: ScrapeOptions,
  ofJob: object = {},
): string {
  const job = {
    ...{ job_name: 'live', scrape_interval: scrapeInterval, scrape_timeout: scrapeInterval },
    static_configs: [{ targets: [target] }],
    ...ofJob,
  };
  return JSON.stringify({
    global: {
      scrape_interval: '15s',
      ...(externalLabels && { external_labels: externalLabels }),
      ...(rules && { evaluation_interval: '1s' }),
    },
    ...(rules && { rule_files: [rules] }),
    scrape_configs: target === undefined ? [] : [job],
    ...(remoteWrite && { remote_write: [remoteWrite] }),
  });
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
