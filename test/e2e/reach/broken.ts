import type { Registry } from '../../../src/domain/registry/model.ts';
import { routesOf, type Truth } from '../../simulate-rollouts/traffic.ts';
import type { Loose } from '../kube.ts';
import type { BackendName } from '../metrics-backend.ts';
import type { Scenario, ScenarioContext } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { atMost, type Figure, quantile, shown } from './figures.ts';
import { beginRelease, prepareWorld, truthOf } from './live-release.ts';
import type { Observer } from './observer.ts';
import type { Answer } from './recorder.ts';
import type { Together } from './together.ts';

/** Part A: how long until a bad canary is aborted, and how many requests fail until then. */

const service = 'member-api';
/** The weight of the first step of the generated Rollout. */
const canaryShare = 0.25;

export interface Fault {
  readonly name: string;
  readonly title: string;
  readonly requestsPerSecond: (registry: Registry) => number;
  readonly truth: (registry: Registry, run: number) => Truth;
  readonly figures: (results: readonly Abort[]) => Figure[];
}

/** One aborted release. Times are epoch ms. */
export interface Abort {
  readonly run: number;
  readonly firstTrafficMs: number;
  readonly firstFailureMs: number;
  readonly failedRunMs: number;
  readonly stableAgainMs: number | undefined;
  readonly failures: number;
  readonly answers: readonly Answer[];
}

const failing = 'GET /api/v1/profile';
const failingPerSecond = 2;
/** Seconds, and with them failed requests, before data of 10 s. */
const before = 209;

/** From the first failed request to the failed AnalysisRun. */
export const secondsOf = ({ failedRunMs, firstFailureMs }: Abort) => (failedRunMs - firstFailureMs) / 1000;

export const faults: readonly Fault[] = [
  {
    name: 'endpoint',
    title: `an endpoint fails wholly at ${failingPerSecond} requests/s`,
    requestsPerSecond: (registry) =>
      failingPerSecond / canaryShare / (1000 * routeOf(registry, failing).unit),
    truth: (registry, run) => {
      const { endpoints, ...good } = truthOf('good', registry, service, run);
      const { resource } = routeOf(registry, failing);
      const truth = endpoints.get(resource);
      if (truth === undefined) throw new Error(`the registry has no ${failing}`);
      return {
        ...good,
        endpoints: new Map([...endpoints, [resource, { ...truth, canary: 1 }]]),
        faulty: new Set([resource]),
      };
    },
    figures: (results) => [
      atMost('median', quantile(results.map(secondsOf), 0.5), 115, ' s'),
      atMost('p90', quantile(results.map(secondsOf), 0.9), 140, ' s'),
      atMost(
        'failed requests until the abort, median',
        median(results, ({ failures }) => failures),
        0.5 * before * failingPerSecond,
      ),
    ],
  },
  {
    name: 'demo',
    title: "the demo's fault, 1,000 requests/s",
    requestsPerSecond: () => 1000,
    truth: (registry, run) => truthOf('demo', registry, service, run),
    figures: (results) => [
      atMost('median', quantile(results.map(secondsOf), 0.5), 130, ' s'),
      shown('p90', `${Math.round(quantile(results.map(secondsOf), 0.9) ?? Number.NaN)} s`),
      shown(
        'failed requests until the abort, median',
        String(Math.round(median(results, ({ failures }) => failures) ?? Number.NaN)),
      ),
    ],
  },
];

/** The first of {@link faults} over a real Prometheus, which shows requests as soon as it has scraped them. */
export const prometheusFault: Fault = {
  ...(faults[0] as Fault),
  name: 'prometheus',
  title: `over Prometheus with scrapes of 15 s, an endpoint fails wholly at ${failingPerSecond} requests/s`,
  figures: (results) => [
    atMost('median', quantile(results.map(secondsOf), 0.5), 90, ' s'),
    shown('p90', `${Math.round(quantile(results.map(secondsOf), 0.9) ?? Number.NaN)} s`),
    shown(
      'failed requests until the abort, median',
      String(Math.round(median(results, ({ failures }) => failures) ?? Number.NaN)),
    ),
  ],
};

function routeOf(registry: Registry, label: string) {
  const route = routesOf(registry, service).find(({ resource }) => resource === resourceOf(registry, label));
  if (route === undefined) throw new Error(`no CUJ of ${service} has ${label}`);
  return route;
}

function resourceOf(registry: Registry, label: string): string | undefined {
  return [...registry.cujs.values()]
    .flatMap(({ endpoints }) => endpoints)
    .find((endpoint) => endpoint.service === service && endpoint.label === label)?.resource;
}

const median = (results: readonly Abort[], of: (result: Abort) => number) => quantile(results.map(of), 0.5);

export interface BrokenOptions {
  readonly fault: Fault;
  readonly registry: Registry;
  readonly run: number;
  /** Begin so much later than the others. */
  readonly delayMs: number;
  readonly together: Together;
  readonly observer: Observer;
  readonly onAbort: (abort: Abort) => void;
  /** Datadog's simulator when left out. */
  readonly backend?: BackendName;
}

const longestMs = 15 * 60_000;

/** One bad release, in a namespace and with a gate and a Datadog of its own. */
export function brokenRelease(options: BrokenOptions): Scenario {
  const { fault, registry, run, delayMs, together, observer, onAbort, backend = 'datadog' } = options;
  return {
    name: `${fault.name}-${run}`,
    backends: [backend],
    what: `${fault.title}: the time until the AnalysisRun has failed`,
    timeoutMs: 2 * longestMs,
    async run(context: ScenarioContext) {
      const requestsPerSecond = fault.requestsPerSecond(registry);
      const world = await together.prepared(() =>
        prepareWorld(context, [service], { registry, requestsPerSecond, seed: run }),
      );
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      const truth = fault.truth(registry, run);
      const { traffic, observed } = await beginRelease(context, observer, world, service, truth, {
        followRuns: true,
      });
      const failedRunMs = await waitFor(() => observed.failedRunMs, {
        what: 'a failed AnalysisRun',
        timeoutMs: longestMs,
        hopeless: () =>
          observed.end === undefined || observed.end.kind === 'aborted' ? undefined : observed.end.kind,
      });
      // The failures of the last seconds are drawn when their bucket is over.
      await waitFor(() => traffic.drawnUntilMs > (failedRunMs as number), {
        what: 'the last failures',
        timeoutMs: 60_000,
      });
      const { firstFaultMs } = traffic;
      if (firstFaultMs === undefined || failedRunMs === undefined || firstFaultMs > failedRunMs)
        throw new Error('the release was aborted before any of its requests had failed');
      onAbort({
        run,
        firstTrafficMs: observed.weights[0]?.atMs ?? Number.NaN,
        firstFailureMs: firstFaultMs,
        failedRunMs,
        stableAgainMs: observed.weights.find(({ atMs, weight }) => weight === 0 && atMs > firstFaultMs)?.atMs,
        failures: traffic.failuresUntil(failedRunMs),
        answers: world.recorder.answers,
      });
    },
  };
}

/** Where the seconds of one abort went: every answer about the CUJ that failed. Times are seconds after the first failed request. */
export function timelineText(abort: Abort): string {
  const { run, firstTrafficMs, firstFailureMs, failedRunMs, stableAgainMs, answers } = abort;
  const after = (ms: number | undefined) =>
    ms === undefined ? '?' : `${((ms - firstFailureMs) / 1000).toFixed(1)}`;
  const path = answers.find(({ body }) => body.verdict === 'fail')?.path;
  const lines = answers
    .filter((answer) => answer.path === path && answer.atMs <= failedRunMs)
    .map(({ atMs, tookMs, body }) => {
      const to = body.window === undefined ? '?' : after(Date.parse(body.window.to));
      const slis = (body.slis ?? []).map((sli: Loose) => {
        const sustained =
          sli.sustainedEvidence === undefined ? '' : `, sustained ${number(sli.sustainedEvidence)}`;
        return `${sli.sli} ${sli.bad} of ${sli.total}, evidence ${number(sli.evidence)} of ${number(sli.evidenceThreshold)}${sustained}`;
      });
      const incomplete = body.window?.incompleteSeconds
        ? ` (${body.window.incompleteSeconds} s left out)`
        : '';
      return `  ${after(atMs).padStart(6)}  data until ${to.padStart(6)}${incomplete}, ${tookMs} ms: ${body.verdict} ${body.reason}; ${slis.join('; ')}`;
    });
  return [
    `run ${run}: canary's first traffic at ${after(firstTrafficMs)}, failed AnalysisRun at ${after(failedRunMs)}, all traffic on stable at ${after(stableAgainMs)}`,
    ...lines,
  ].join('\n');
}

const number = (value: number) => (value >= 1e4 ? value.toExponential(0) : value.toPrecision(3));

/** The answer that failed: how much of the fault its data held, and how old the data was when the run had failed, in seconds. */
export function partsOf({ answers, firstFailureMs, failedRunMs }: Abort) {
  const failed = answers.find(({ body }) => body.verdict === 'fail');
  if (failed?.body.window === undefined) return undefined;
  const toMs = Date.parse(failed.body.window.to);
  return {
    evidence: (toMs - firstFailureMs) / 1000,
    age: (failed.atMs - toMs) / 1000,
    controller: (failedRunMs - failed.atMs) / 1000,
  };
}

/** The lines of the table for one fault. */
export function brokenFigures(fault: Fault, runs: number, results: readonly Abort[]): Figure[] {
  const parts = results.map(partsOf).filter((part) => part !== undefined);
  const of = (pick: (part: (typeof parts)[number]) => number) =>
    Math.round(quantile(parts.map(pick), 0.5) ?? Number.NaN);
  const missing = runs - results.length;
  return [
    {
      what: `${fault.title}: aborted`,
      measured: `${results.length} of ${runs}`,
      wanted: `${runs} of ${runs}`,
      met: missing === 0,
    },
    ...fault.figures(results).map((figure) => ({ ...figure, what: `  ${figure.what}` })),
    shown(
      '  of which, medians: fault in the data, age of the data, controller',
      `${of(({ evidence }) => evidence)} + ${of(({ age }) => age)} + ${of(({ controller }) => controller)} s`,
    ),
  ];
}
