import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { remoteWrite, type StoredSeries } from './remote-write.ts';

/** Prometheus and VictoriaMetrics themselves, on loopback, with their data in a temporary folder. */

export const prometheusPrograms = ['prometheus', 'victoria-metrics'] as const;
export type PrometheusProgram = (typeof prometheusPrograms)[number];

export interface ProgramOptions {
  readonly program: PrometheusProgram;
  readonly port: number;
  /** An empty folder for the configuration and the data. */
  readonly folder: string;
  readonly scrapeIntervalMs: number;
  /** Of a list of targets (`http_sd_configs`). */
  readonly targetsUrl?: string;
  /** Labels of samples replace those of their target. */
  readonly honorsLabels?: boolean;
  /** Of one target, `host:port`, as job `live`. */
  readonly target?: string;
}

export interface ProgramCall {
  readonly command: string;
  readonly args: string[];
  readonly url: string;
  /** Answers 200 as soon as the program can be asked. */
  readonly readyUrl: string;
}

/** Whether the program can be started. */
export function isInstalled(program: PrometheusProgram): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Writes the configuration of a program into its folder, and tells how to start it. */
export function prepareProgram(options: ProgramOptions): ProgramCall {
  const { program, port, folder } = options;
  const config = path.join(folder, 'config.yml');
  const data = path.join(folder, 'data');
  mkdirSync(data, { recursive: true });
  writeFileSync(config, configText(options));
  const url = `http://127.0.0.1:${port}`;
  if (program === 'victoria-metrics') {
    return {
      command: program,
      args: [
        `-promscrape.config=${config}`,
        // It does not know all of Prometheus' own settings.
        '-promscrape.config.strictParse=false',
        '-promscrape.httpSDCheckInterval=1s',
        `-storageDataPath=${data}`,
        `-httpListenAddr=127.0.0.1:${port}`,
        '-retentionPeriod=10y',
      ],
      url,
      readyUrl: `${url}/health`,
    };
  }
  return {
    command: program,
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
      '--storage.tsdb.retention.time=10y',
    ],
    url,
    readyUrl: `${url}/-/ready`,
  };
}

function configText({ scrapeIntervalMs, targetsUrl, target, honorsLabels = false }: ProgramOptions): string {
  const jobs = [
    ...(targetsUrl === undefined
      ? []
      : [
          {
            job_name: 'pods',
            honor_labels: honorsLabels,
            http_sd_configs: [{ url: targetsUrl, refresh_interval: '2s' }],
          },
        ]),
    ...(target === undefined ? [] : [{ job_name: 'live', static_configs: [{ targets: [target] }] }]),
  ];
  const global = {
    scrape_interval: `${scrapeIntervalMs}ms`,
    scrape_timeout: `${Math.min(scrapeIntervalMs, 10_000)}ms`,
  };
  // JSON is YAML. The past is written while the present is scraped.
  const storage = { tsdb: { out_of_order_time_window: '10d' } };
  return JSON.stringify({ global, storage, scrape_configs: jobs });
}

/** Stores series of the past. They can be asked for when it resolves. */
export async function storePast(
  { program, url }: { program: PrometheusProgram; url: string },
  series: readonly StoredSeries[],
): Promise<void> {
  await remoteWrite(url, series);
  // It shows new samples after a second.
  if (program === 'victoria-metrics') await fetch(`${url}/internal/force_flush`);
}

/** A program that runs. */
export interface RunningProgram {
  readonly program: PrometheusProgram;
  readonly url: string;
  /** Kills it and removes its data. */
  stop(): Promise<void>;
}

const setpriv = '/usr/bin/setpriv';

/** Starts a program on a free port, and waits until it answers. Throws where it ends before, with the end of its log. */
export async function startProgram(
  options: Omit<ProgramOptions, 'port' | 'folder'>,
): Promise<RunningProgram> {
  const folder = mkdtempSync(path.join(tmpdir(), `cuj-gate-${options.program}-`));
  const { command, args, url, readyUrl } = prepareProgram({ ...options, folder, port: await freePort() });
  // It ends with this process, even if this process is killed; and Ctrl-C reaches this process alone.
  const isTied = existsSync(setpriv);
  const child = spawn(isTied ? setpriv : command, isTied ? ['--pdeathsig', 'KILL', command, ...args] : args, {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2_000);
  });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async () => {
    process.off('exit', kill);
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      kill();
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await untilReady(child, readyUrl, () => said);
    return { program: options.program, url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilReady(child: ChildProcess, url: string, said: () => string): Promise<void> {
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  for (;;) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the program ended with ${child.exitCode ?? child.signalCode}:\n${said().trimEnd()}`);
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await delay(50);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
