import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startExporter } from '../../src/demo/prometheus/exporter.ts';
import { type PrometheusProgram, prepareProgram, storePast } from '../../src/demo/prometheus/program.ts';
import { ScrapedPods } from '../../src/demo/prometheus/scraped-pods.ts';
import { pastScrapes } from '../../src/demo/prometheus/scrapes.ts';
import { freePort } from '../free-ports.ts';
import type { Child } from './child.ts';
import type { MetricsBackend } from './metrics-backend.ts';
import { type BuiltBackend, type Front, isBuilt, prepareFront } from './prometheus-fronts.ts';
import { writePrometheusRegistry } from './prometheus-registry.ts';
import { startRefusingProxy } from './refusing-proxy.ts';
import type { ScenarioContext } from './scenario.ts';
import { moveIntoPast, requestsOf, type TimedSpans, timed, timedHttp, write } from './traffic.ts';
import { answers } from './wait.ts';

/** Where Prometheus scrapes; and where Thanos or Mimir is asked in its place. */
export type PrometheusBackend = PrometheusProgram | BuiltBackend;

/**
 * A real Prometheus, or VictoriaMetrics, that scrapes the pods of the traffic that a scenario writes. What it would have scraped before
 * is written into it. A counter cannot be changed afterwards, so all that is written at once has pods of its own, and a gateway of its own that calls them.
 */
export interface Prometheus extends MetricsBackend {
  readonly name: PrometheusBackend;
  /** Of the program that scrapes. */
  readonly url: string;
  readonly child: Child;
  /** The pods that are scraped: those of a version are called `SERVICE-VERSION-…`. */
  readonly pods: () => ScrapedPods;
  /** Resolves when the program answers; also after a new `child.start()`. */
  untilReady(): Promise<void>;
}

export interface PrometheusOptions {
  /** 15,000 when left out. */
  scrapeIntervalMs?: number;
  /** The path of a registry of its own, in place of the one that is translated. */
  registry?: string;
  /** The source of all services of the translated registry; `preset:opentelemetry` when left out. */
  source?: Record<string, string>;
  /** Istio's counter tells operations apart. */
  isClassified?: boolean;
  /** The label that has the version; `service_version` when left out. */
  versionLabel?: string;
  /** Gates ask through a proxy, which can refuse their queries. */
  isRefusable?: boolean;
}

interface Written {
  readonly group: string;
  readonly requests: readonly TimedSpans[];
}

export async function startPrometheus(
  context: ScenarioContext,
  backend: PrometheusBackend,
  options: PrometheusOptions = {},
): Promise<Prometheus> {
  const program = isBuilt(backend) ? 'prometheus' : backend;
  const front =
    backend === 'thanos' || backend === 'mimir' ? await prepareFront(context, backend) : undefined;
  const { scrapeIntervalMs = 15_000, isClassified = false, isRefusable = false } = options;
  const written: Written[] = [];
  const emptyPods = () => new ScrapedPods({ gatewayOf: (group) => `gateway-${group}`, isClassified });
  let pods = emptyPods();
  const exporter = await startExporter(() => pods, Date.now);
  context.onEnd(() => exporter.stop());
  const folder = path.join(context.dir, program);
  mkdirSync(folder);
  const { targetsUrl } = exporter;
  const prepare = (port: number) => {
    const call = prepareProgram({ program, port, folder, scrapeIntervalMs, targetsUrl });
    if (front !== undefined) extendConfig(path.join(folder, 'config.yml'), front);
    return isBuilt(backend) ? { ...call, command: context.programs['prometheus-3'].program } : call;
  };
  const port = await freePort();
  const { command, args, url, readyUrl } = prepare(port);
  const child = context.start({ name: program, command, args });
  const untilReady = async () => void (await child.untilReady(() => answers(readyUrl)));
  await untilReady();
  await front?.start(url);
  const asked = front?.gateEnv.CUJ_GATE_PROMETHEUS_URL ?? url;
  const proxy = isRefusable ? await startRefusingProxy(asked) : undefined;
  context.onEnd(() => proxy?.stop());

  // One after the other. Scenarios do not wait for it: their templates begin to ask some seconds later.
  let stored = Promise.resolve();
  const store = (groups: readonly string[]) => {
    const untilMs = Date.now();
    const own = pods.pods.filter(({ name }) =>
      groups.some((group) => name.startsWith(`${group}-`) || name.startsWith(`gateway-${group}-`)),
    );
    const series = pastScrapes(pods, { fromMs: 0, untilMs, intervalMs: scrapeIntervalMs }, own);
    stored = stored.then(() => front?.store?.(series) ?? storePast({ program, url }, series));
    stored.catch((error: Error) => context.log(`the past could not be stored: ${error.message}`));
  };
  const record = (requests: readonly TimedSpans[]) => {
    const of = requests[0]?.spans;
    if (of === undefined) return;
    const group = `${of.service}-${of.version}-${written.length}`;
    written.push({ group, requests });
    for (const one of requests) write(pods, one, group);
    store([group]);
  };
  return {
    name: backend,
    url,
    child,
    pods: () => pods,
    gateEnv: {
      CUJ_GATE_BACKEND: 'prometheus',
      ...front?.gateEnv,
      CUJ_GATE_PROMETHEUS_URL: proxy?.url ?? asked,
    },
    registryOf: (file) => options.registry ?? writePrometheusRegistry(file, context.dir, options),
    queries: async () => (await countQueries(program, url)) + (proxy?.refused() ?? 0),
    refuse(refusal) {
      if (proxy === undefined) throw new Error('start it with isRefusable to refuse queries');
      return proxy.refuse(refusal);
    },
    requests: (requests) => record([timedHttp(requests)]),
    spans: (spans) => record([timed(spans)]),
    traffic: (flow) => record(requestsOf(flow)),
    untilReady,
    untilStored: () => stored,
    async elapse(minutes) {
      if (front?.store !== undefined)
        throw new Error(`${backend} keeps its data: it cannot be moved into the past`);
      await stored;
      await child.stop();
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
      prepare(port);
      pods = emptyPods();
      for (const { group, requests } of written) {
        for (const one of requests) {
          moveIntoPast(one, minutes);
          write(pods, one, group);
        }
        const goneMs = Date.now() - minutes * 60_000;
        pods.remove(group, goneMs);
        pods.remove(`gateway-${group}`, goneMs);
      }
      child.start();
      await untilReady();
      store(written.map(({ group }) => group));
      await stored;
    },
  };
}

/** JSON is YAML. */
function extendConfig(file: string, { config }: Front): void {
  const written = JSON.parse(readFileSync(file, 'utf8'));
  const { global = {}, ...others } = config;
  writeFileSync(file, JSON.stringify({ ...written, ...others, global: { ...written.global, ...global } }));
}

/** As the program itself counts them. VictoriaMetrics shows its own metrics as they were up to a second ago. */
async function countQueries(program: PrometheusProgram, url: string): Promise<number> {
  if (program === 'victoria-metrics') await delay(1_100);
  const text = await (await fetch(`${url}/metrics`)).text();
  const of =
    /^(?:prometheus_http_requests_total\{code="200",handler="\/api\/v1\/query"\}|vm_http_requests_total\{path="\/api\/v1\/query"\}) (\d+)$/m;
  return Number(of.exec(text)?.[1] ?? 0);
}
