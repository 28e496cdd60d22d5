import { fileURLToPath } from 'node:url';
import { type DemoMinute, demoVersion, playOn, watchedCuj } from '../../demo/play.ts';
import { httpRequestsMetric } from '../../demo/prometheus/pod-labels.ts';
import { isInstalled, type PrometheusProgram, type RunningProgram } from '../../demo/prometheus/program.ts';
import {
  canaryAgeMs,
  type ScrapedApp,
  scrapedErrorRate,
  scrapeIntervalMs,
  startScrapedApp,
} from '../../demo/prometheus/scraped-app.ts';
import { anyRegistryOf } from '../../domain/registry/model.ts';
import { type Colors, colorsFor } from '../render/colors.ts';
import { ending, fold, minuteLines, storyLines } from '../render/demo-story.ts';
import { type DemoGate, type DemoGateOptions, programCall, startDemoGate, watchLine } from './demo-gate.ts';
import { exitCodes, type Io } from './io.ts';

/** The example registry for Prometheus. */
export const prometheusRegistry = fileURLToPath(
  new URL('../../../config/cujs-prometheus.yaml', import.meta.url),
);

export interface PrometheusDemoOptions {
  readonly prometheus: PrometheusProgram;
  readonly once?: boolean;
  readonly port: number;
  readonly seed: number;
}

const minuteMs = 60_000;
/** As the generated templates ask. */
const askEveryMs = 20_000;

/**
 * `cuj-gate demo --prometheus`: the same story with a real Prometheus. Its past is what it would have scraped from pods of the
 * simulated app; the story is told as of those minutes. From then on it scrapes the pods. Exit code 0: the canary was caught.
 */
export async function demoPrometheus(io: Io, options: PrometheusDemoOptions): Promise<number> {
  const { prometheus: program } = options;
  if (!isInstalled(program)) {
    io.stderr.write(notInstalled(program));
    return exitCodes.misuse;
  }
  if (io.stderr.isTTY === true)
    io.stderr.write(`Starting ${program} with ninety minutes of scrapes takes a few seconds.\n`);
  return await withProgram(io, {
    start: () => startScrapedApp(program, options.seed, io.now),
    gate: {
      registry: prometheusRegistry,
      port: options.once === true ? 0 : options.port,
      now: io.now,
    },
    async tell(app, { gate, url }, interruption) {
      const cujs = [...anyRegistryOf(gate.registry.current().registries).cujs.keys()];
      return await tell(io, options, { app, cujs, url, interruption });
    },
  });
}

/**
 * Starts the program and a gate that asks it, and tells the story. Whatever ends that, both are ended. Where one of them cannot start, reports
 * why on stderr. Returns the exit code.
 */
export async function withProgram<
  Started extends { readonly running: RunningProgram; stop(): Promise<void> },
>(
  io: Io,
  parts: {
    readonly start: () => Promise<Started>;
    readonly gate: Omit<DemoGateOptions, 'source'>;
    readonly tell: (started: Started, gate: DemoGate, interruption: Interruption) => Promise<number>;
  },
): Promise<number> {
  const interruption = onInterruption();
  let started: Started | undefined;
  try {
    started = await parts.start();
    const gate = await startDemoGate(io, { ...parts.gate, source: sourceOf(started.running) });
    if (gate === undefined) return exitCodes.misuse;
    try {
      return interruption.isThere() ? exitCodes.good : await parts.tell(started, gate, interruption);
    } finally {
      await gate.close();
    }
  } catch (error) {
    io.stderr.write(`cuj-gate demo: ${error instanceof Error ? error.message : error}\n`);
    return exitCodes.misuse;
  } finally {
    await started?.stop();
    interruption.forget();
  }
}

interface Told {
  readonly app: ScrapedApp;
  readonly cujs: readonly string[];
  /** Of the gate. */
  readonly url: string;
  readonly interruption: Interruption;
}

async function tell(
  io: Io,
  { once }: PrometheusDemoOptions,
  { app, cujs, url, interruption }: Told,
): Promise<number> {
  const colors = colorsFor(io);
  const say = (line = '') => void io.stdout.write(`${fold(line, io.stdout.columns || undefined)}\n`);
  const { program, url: backendUrl } = app.running;
  for (const line of storyLines(cujs.length, colors)) say(line);
  say(`${program} is at ${backendUrl}, and the canary began ${canaryAgeMs / minuteMs} minutes ago.`);
  say(colors.dim('(+ pass, ? inconclusive, x fail; each line as of that minute)'));
  say();
  let atMs = app.canaryMs;
  const playback = {
    startMs: app.canaryMs,
    endMs: app.storedUntilMs,
    reach: (nowMs: number) => {
      atMs = nowMs;
    },
    totalErrorRate: (_: number, toMs: number) => scrapedErrorRate(backendUrl, toMs),
  };
  const metrics = cujs.map((cuj) => watchedCuj(url, cuj, { momentMs: () => atMs }));
  let last: DemoMinute | undefined;
  for await (const minute of playOn(playback, metrics, async () => {})) {
    if (interruption.isThere()) return exitCodes.good;
    for (const line of minuteLines(minute, colors)) say(line);
    last = minute;
  }
  const isCaught = last?.ended?.phase === 'Failed' && last.total.fine;
  for (const line of ending(last, colors)) say(line);
  if (once === true) return isCaught ? exitCodes.good : exitCodes.no;
  for (const line of farewell(app.running, url, programCall(io), colors)) io.stdout.write(`${line}\n`);
  // A rollout is on the pages while it is asked about.
  const live = cujs.map((cuj) => watchedCuj(url, cuj));
  while (!interruption.isThere()) {
    await Promise.all(live.map((metric) => metric.measure()));
    await interruption.within(askEveryMs);
  }
  return exitCodes.good;
}

function farewell(
  { url: backendUrl, program }: RunningProgram,
  url: string,
  call: string,
  colors: Colors,
): string[] {
  const failed = `sum by (http_route) (${httpRequestsMetric}{service_version="${demoVersion}",http_response_status_code=~"5.."})`;
  return [
    watchLine(url),
    'The page of this verdict:',
    `  ${url}/cujs/signup/status?version=${demoVersion}`,
    `Query the gate, and ${program} itself; it scrapes the app's pods every ${scrapeIntervalMs / 1000} s until Ctrl-C:`,
    `  curl '${url}/cujs/signup/status?version=${demoVersion}&pretty'`,
    `  curl '${url}/cujs/signup?pretty'                           # the CUJ and the selector as it is sent`,
    `  curl '${backendUrl}/api/v1/query' --data-urlencode 'query=${failed}'`,
    'Other commands can query it from another terminal:',
    `  export CUJ_GATE_BACKEND=prometheus CUJ_GATE_PROMETHEUS_URL=${backendUrl}`,
    `  export CUJ_GATE_REGISTRY='${prometheusRegistry}'`,
    `  ${call} evaluate signup --param version=${demoVersion}`,
    colors.dim('(Ctrl-C ends it, and removes its data)'),
  ];
}

export function sourceOf({ url }: Pick<RunningProgram, 'url'>): Record<string, string> {
  return { CUJ_GATE_BACKEND: 'prometheus', CUJ_GATE_PROMETHEUS_URL: url };
}

export function notInstalled(program: PrometheusProgram): string {
  return (
    `cuj-gate demo: there is no program "${program}" on the PATH, or it does not start.\n` +
    `Install it: "npm run install:packages" in a clone, or "apt-get install ${program}" on Debian and Ubuntu` +
    `${program === 'prometheus' ? ', or "brew install prometheus" on macOS' : ''}. Without --prometheus, the demo needs nothing.\n`
  );
}

/** Ctrl-C, from the begin on: nothing that was started may be left. */
export interface Interruption {
  readonly isThere: () => boolean;
  /** Resolves when it comes, or after so many ms. */
  readonly within: (ms: number) => Promise<void>;
  readonly forget: () => void;
}

function onInterruption(): Interruption {
  const coming = new AbortController();
  const { signal } = coming;
  const come = () => coming.abort();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const name of signals) process.once(name, come);
  return {
    isThere: () => signal.aborted,
    within: (ms) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        // A timer that is left would keep the process.
        const end = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          resolve();
        };
        const timer = setTimeout(end, ms);
        signal.addEventListener('abort', end);
      }),
    forget() {
      for (const name of signals) process.off(name, come);
    },
  };
}
