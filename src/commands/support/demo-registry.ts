import path from 'node:path';
import { WatchedMetric } from '../../demo/argo-caller.ts';
import { type Simulator, startDatadogSimulator } from '../../demo/datadog/simulator.ts';
import { EventStore } from '../../demo/datadog/store.ts';
import { brokenBy, planTraffic, type RegistryTraffic, simulateRegistry } from '../../demo/own-registry.ts';
import { paramsOf } from '../../domain/metrics/evaluation-request.ts';
import { listed } from '../../domain/name-lists.ts';
import { visible } from '../../domain/outside-text.ts';
import type { Problem, Registry, Service } from '../../domain/registry/model.ts';
import { partOfBackend } from '../../domain/registry/part-of-backend.ts';
import { rumMetricsOf } from '../../generate/datadog/terraform-clients.ts';
import { spansMetricsOf } from '../../generate/datadog/terraform-spans.ts';
import { environmentNotChosen, type LoadedEnvironment, loadRegistry } from '../../registry-files/load.ts';
import { type BackendName, dialects } from '../../sources/dialects/dialects.ts';
import { nearestNames } from '../../suggestions/nearest.ts';
import { type Colors, colorsFor } from '../render/colors.ts';
import { interrupted, randomKeys, simulatorSource, startDemoGate, watchLine } from './demo-gate.ts';
import { plantSlos } from './demo-slos.ts';
import { exitCodes, type Io } from './io.ts';

export interface OwnRegistryOptions {
  readonly registry: string;
  readonly environment?: string | undefined;
  /** A CUJ, an endpoint, or `none`. */
  readonly break?: string;
  readonly once?: boolean;
  readonly port: number;
  readonly seed: number;
}

/** How far ahead traffic is simulated. Data of the future is not visible yet. */
const aheadMs = 2 * 60_000;
const everyMs = 30_000;

/** `cuj-gate demo --registry`: verdicts on the user's own CUJs in real time, without an account. */
export async function demoOwnRegistry(io: Io, options: OwnRegistryOptions): Promise<number> {
  const keys = randomKeys();
  const own = await openOwnRegistry(io, options, keys);
  if (own === undefined) return exitCodes.misuse;
  try {
    const opened = await startDemoGate(io, {
      source: simulatorSource(own.datadog, keys),
      registry: options.registry,
      environment: options.environment,
      port: options.once === true ? 0 : options.port,
      now: io.now,
    });
    if (opened === undefined) {
      if (own.simulation === undefined) await hintAtPrometheus(io, options);
      return exitCodes.misuse;
    }
    try {
      // Undefined only where the gate reads a registry that was invalid a moment ago.
      if (own.simulation === undefined) return exitCodes.misuse;
      const { url } = own.datadog;
      return await show(io, options, own.simulation, opened.url, {
        name: 'the same simulator',
        exports: `export DD_URL=${url} DD_API_KEY=${keys.apiKey} DD_APP_KEY=${keys.appKey}`,
        measured: 'none uses trace metrics',
        notSimulated: (source) => `source "${source}" is a template`,
      });
    } finally {
      await opened.close();
    }
  } finally {
    await own.stop();
  }
}

/** A registry over Prometheus is wrong as one over Datadog, and the demo does not read CUJ_GATE_BACKEND. */
async function hintAtPrometheus(io: Io, { registry, environment }: OwnRegistryOptions): Promise<void> {
  const { ok } = await loadRegistry(registry, { environment, backend: 'prometheus' });
  if (ok) io.stderr.write('cuj-gate demo: the registry is one for Prometheus: add --prometheus.\n');
}

/** The user's registry with its simulated traffic. */
export interface Simulation {
  readonly registry: Registry;
  readonly traffic: RegistryTraffic;
  readonly broken: RegistryTraffic['endpoints'];
  /** What is most likely a mistake in the registry. */
  readonly warnings: readonly Problem[];
}

interface OwnRegistry {
  readonly datadog: Simulator;
  /** Undefined where the registry is invalid: its problems are reported by what uses it. */
  readonly simulation: Simulation | undefined;
  stop(): Promise<void>;
}

/**
 * Starts a simulator with the traffic and the SLOs of a registry: the gate reads error budgets as soon as it starts. If
 * `break` is unknown, reports that on stderr and returns undefined.
 */
export async function openOwnRegistry(
  io: Io,
  options: Pick<OwnRegistryOptions, 'registry' | 'environment' | 'break' | 'seed'>,
  keys: { readonly apiKey: string; readonly appKey: string },
): Promise<OwnRegistry | undefined> {
  const { seed } = options;
  const loaded = await loadOwn(io, options, 'datadog');
  if (loaded === undefined) return undefined;
  const simulation = loaded.ok ? planned(io, options.break, loaded) : undefined;
  if (loaded.ok && simulation === undefined) return undefined;
  const datadog = await startDatadogSimulator({
    declaresItself: true,
    now: io.now,
    store: new EventStore({ now: io.now, lateness: { seed } }),
    apiKey: keys.apiKey,
    applicationKey: keys.appKey,
  });
  if (simulation === undefined) return { datadog, simulation, stop: () => datadog.stop() };
  const live = simulateRegistry({
    store: datadog.store,
    seed,
    ...simulation,
    clientMetrics: rumMetricsOf(simulation.registry),
    spansMetrics: spansMetricsOf(simulation.registry),
    nowMs: io.now(),
  });
  live.advanceTo(io.now() + aheadMs);
  plantSlos(datadog, simulation.registry);
  const timer = setInterval(() => live.advanceTo(io.now() + aheadMs), everyMs);
  return {
    datadog,
    simulation,
    stop: () => {
      clearInterval(timer);
      return datadog.stop();
    },
  };
}

/** The user's registry as one backend measures it. Undefined, and reported on stderr, where it cannot be simulated by that alone. */
export async function loadOwn(
  io: Io,
  { registry, environment }: Pick<OwnRegistryOptions, 'registry' | 'environment'>,
  backend: BackendName,
): Promise<LoadedEnvironment | undefined> {
  const loaded = await loadRegistry(registry, { environment, backend });
  const notChosen = loaded.ok ? undefined : loaded.problems.find(({ rule }) => rule === environmentNotChosen);
  if (notChosen !== undefined) {
    // The gate would start, and answer for all of them.
    io.stderr.write(`cuj-gate demo: ${notChosen.message}.\n${notChosen.fix}\n`);
    return undefined;
  }
  const dialect = dialects[backend];
  const { otherServices = [] } = loaded.ok ? partOfBackend(loaded.registry, dialect) : {};
  if (otherServices.length === 0) return loaded;
  io.stderr.write(
    `cuj-gate demo: the demo simulates ${dialect.backend} only, and another backend measures ${otherServices.join(', ')}.\nGive a registry without them.\n`,
  );
  return undefined;
}

/** The traffic to simulate, and what fails. Undefined, and reported on stderr, where `choice` is unknown. */
export function planned(
  io: Io,
  choice: string | undefined,
  { registry, warnings = [] }: LoadedEnvironment & { ok: true },
  isSimulated?: (service: Service) => boolean,
): Simulation | undefined {
  const traffic = planTraffic(registry, isSimulated);
  const broken = brokenBy(choice, registry, traffic);
  if (broken !== undefined) return { registry, traffic, broken, warnings };
  io.stderr.write(`cuj-gate demo: --break ${choice}: ${breakable(choice as string, registry, traffic)}`);
  return undefined;
}

/** The most names of one kind that are listed. */
const maxListed = 10;
/** A route that differs more is another one: most of them begin alike. */
const maxEditedShare = 0.3;

/** What `--break` may name in place of what there is not, the nearest first. */
function breakable(choice: string, registry: Registry, { endpoints }: RegistryTraffic): string {
  const labelsOf = (ofClient: boolean) => [
    ...new Set(
      endpoints.flatMap(({ service, label }) => (isClient(registry, service) === ofClient ? label : [])),
    ),
  ];
  const busy = new Set(endpoints.flatMap(({ cujs }) => cujs));
  const cujs = [...registry.cujs.values()].flatMap((cuj) => (busy.has(cuj) ? cuj.name : []));
  const kinds: readonly (readonly [what: string, names: readonly string[]])[] = [
    ['a CUJ, whose last endpoint breaks', cujs],
    ['an endpoint', labelsOf(false)],
    ['a view or action of a client', labelsOf(true)],
  ];
  const [near] = nearestNames(
    choice,
    kinds.flatMap(([, some]) => some),
    { max: 1, maxEdits: (length) => Math.ceil(length * maxEditedShare) },
  );
  return [
    `there is no such CUJ with traffic, and no such endpoint.${near === undefined ? '' : ` Did you mean ${quoted(near)}?`}`,
    'Give none, or one of these:',
    ...kinds.flatMap(([what, some]) => {
      return some.length === 0 ? [] : `  ${what}: ${listed(some.map(quoted), maxListed)}`;
    }),
    '',
  ].join('\n');
}

function isClient({ services }: Registry, service: string): boolean {
  return services.get(service)?.client !== undefined;
}

/** What the demo says of its backend. */
export interface DemoBackend {
  /** `the same simulator`. */
  readonly name: string;
  /** The line by which other commands ask it. */
  readonly exports: string;
  /** Why no CUJ can be simulated. */
  readonly measured: string;
  /** Why a service of this source is not simulated: the end of a sentence that begins with `whose`. */
  readonly notSimulated: (source: string, service: string) => string;
  /** Default: from then on. */
  readonly untilInterrupted?: () => Promise<void>;
  /** More to know, in lines. */
  readonly notes?: readonly string[];
}

/** Tells what is simulated, asks about each CUJ once, and continues until Ctrl-C. */
export async function show(
  io: Io,
  options: OwnRegistryOptions,
  { registry, traffic, broken, warnings }: Simulation,
  url: string,
  backend: DemoBackend,
): Promise<number> {
  const colors = colorsFor(io);
  const say = (line = '') => void io.stdout.write(`${line}\n`);
  const services = new Set(traffic.endpoints.map(({ service }) => service)).size;
  say(
    colors.bold(
      traffic.endpoints.length === 0
        ? `No CUJ in ${options.registry} can be simulated: ${backend.measured}.`
        : `Simulated traffic for ${options.registry}: ${amount(traffic.endpoints.length, 'endpoint')} of ${amount(services, 'service')}, 25% of it on a canary.`,
    ),
  );
  if (traffic.endpoints.length > 0 && broken.length === 0) say('The canary is healthy.');
  for (const { label, service, cujs } of broken) {
    const event = isClient(registry, service) ? 'event' : 'request';
    say(
      `On the canary, ${label} of ${service} fails for one ${event} in five. Its CUJs: ${cujs.map(({ name }) => name).join(', ')}.`,
    );
  }
  const ofClient = brokenAlone(registry, traffic, broken);
  if (ofClient !== undefined) say(`To break the client side instead: --break ${quoted(ofClient)}`);
  for (const { name, source } of traffic.notSimulated) {
    say(
      colors.yellow(
        `Not simulated: ${name}, whose ${backend.notSimulated(source, name)}. Its CUJs have no data here.`,
      ),
    );
  }
  for (const note of backend.notes ?? []) say(colors.yellow(note));
  if (warnings.length > 0)
    say('Most likely mistakes in the registry; the simulation has what Datadog would have:');
  for (const { file, line, message, fix } of warnings) {
    say(colors.yellow(visible(`  ${file}:${line}: ${message}. ${fix}`)));
  }
  say();
  const metrics = [...registry.cujs.values()].map(
    (cuj) =>
      new WatchedMetric({
        name: cuj.name,
        url: `${url}/cujs/${cuj.name}/status${queryOf(traffic, servicesOf(registry, cuj.services))}`,
        headers: {},
        failureLimit: 0,
        inconclusiveLimit: 1000,
        consecutiveErrorLimit: 10,
      }),
  );
  for (const { metric, phase, value } of await Promise.all(metrics.map((metric) => metric.measure()))) {
    if (phase === 'Error') say(colors.red(`ERROR ${metric}: ${value}`));
    else if (phase === 'Failed') say(colors.red(value));
    else say(phase === 'Successful' ? colors.green(value) : colors.yellow(value));
  }
  if (options.once === true) return exitCodes.good;
  say();
  for (const line of farewell(registry, traffic, broken, url, colors, backend.name)) say(line);
  say(`  ${backend.exports}`);
  say(`  export CUJ_GATE_REGISTRY=${quoted(path.resolve(options.registry))}`);
  const [cuj] = shownCujs(registry, traffic, broken);
  if (cuj !== undefined) {
    const params = paramsOfAll(traffic, servicesOf(registry, cuj.services));
    say(
      `  cuj-gate evaluate ${cuj.name}${params.map(([name, value]) => ` --param ${name}=${value}`).join('')}`,
    );
  }
  say('  cuj-gate report');
  say('  cuj-gate doctor');
  await (backend.untilInterrupted ?? interrupted)();
  return exitCodes.good;
}

/** The first view or action of a CUJ of which only a server breaks. */
function brokenAlone(
  registry: Registry,
  { endpoints }: RegistryTraffic,
  broken: RegistryTraffic['endpoints'],
): string | undefined {
  if (broken.some(({ service }) => isClient(registry, service))) return undefined;
  const cujs = broken.flatMap((endpoint) => endpoint.cujs);
  return endpoints.find(
    (one) => isClient(registry, one.service) && one.cujs.some((cuj) => cujs.includes(cuj)),
  )?.label;
}

/** The broken CUJ first, then the other CUJs with traffic. */
function shownCujs(registry: Registry, traffic: RegistryTraffic, broken: RegistryTraffic['endpoints']) {
  const busy = [...broken, ...traffic.endpoints].flatMap(({ cujs }) => cujs);
  return [...new Set([...busy, ...registry.cujs.values()])].slice(0, 3);
}

function farewell(
  registry: Registry,
  traffic: RegistryTraffic,
  broken: RegistryTraffic['endpoints'],
  url: string,
  colors: Colors,
  backend: string,
): string[] {
  const cujs = shownCujs(registry, traffic, broken);
  const [first] = cujs;
  const curl = (route: string, services: readonly Service[]) => {
    const query = queryOf(traffic, services);
    return `  curl '${url}${route}${query}${query === '' ? '?' : '&'}pretty'`;
  };
  return [
    watchLine(url),
    'Query the gate yourself; traffic continues until Ctrl-C:',
    ...cujs.map(({ name, services }) => curl(`/cujs/${name}/status`, servicesOf(registry, services))),
    ...(first === undefined
      ? []
      : first.services
          .slice(0, 1)
          .map((name) => curl(`/services/${name}/status`, servicesOf(registry, [name])))),
    ...(first === undefined ? [] : [`  curl '${url}/cujs/${first.name}?pretty'`]),
    colors.dim(
      '(restart the demo after changes of endpoints or selectors: traffic is simulated for the registry read at the start)',
    ),
    '',
    `Other commands can query ${backend} from another terminal:`,
  ];
}

function servicesOf(registry: Registry, names: readonly string[]): Service[] {
  return names.map((name) => registry.services.get(name) as Service);
}

function paramsOfAll(traffic: RegistryTraffic, services: readonly Service[]): [string, string][] {
  const { required, optional } = paramsOf(services);
  return [...required, ...optional].map((name) => [name, traffic.params.get(name) as string]);
}

function queryOf(traffic: RegistryTraffic, services: readonly Service[]): string {
  const query = new URLSearchParams(paramsOfAll(traffic, services)).toString();
  return query === '' ? '' : `?${query}`;
}

function amount(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
