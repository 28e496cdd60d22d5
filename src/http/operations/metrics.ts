import { Counter, collectDefaultMetrics, Gauge, Histogram } from 'prom-client';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { Outcome, Reason } from '../../domain/judge/outcome.ts';
import type { SideFacts } from '../../domain/judge/rounding.ts';
import { namesOf, type Registry } from '../../domain/registry/model.ts';
import type { CommonPorts, GatePorts } from '../server/ports.ts';

/** The gauges of a verdict end after this time without a question about its CUJ. */
export const forgetAfterMs = 15 * 60_000;

/** Names that `promtool check metrics` objects to: gauges that end in `_total`. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

export interface GateMetrics {
  /** Counts an answer. `cuj` is `*` for the answer about a whole service. */
  verdictAnswered(cuj: string, service: string, outcome: Outcome, reason: Reason, environment?: string): void;
  /** Shows a CUJ's verdict as gauges, until it is old or its CUJ or services leave the registry. */
  judged(verdict: Verdict): void;
  /** Counts a question by an alias, or about a retired CUJ. */
  askedOutdated(askedAs: string, environment?: string): void;
  /** `route` is a template, never a path that a caller chose. */
  answered(route: string, method: string, status: number, seconds: number): void;
}

interface Shown {
  readonly verdict: Verdict;
  /** Epoch ms of its latest answer. */
  readonly atMs: number;
}

/** Registers the gate's own metrics. Their labels take values of the registry and of closed sets only. */
export function createMetrics(
  ports: Pick<CommonPorts, 'metrics' | 'registry' | 'now'> & Pick<Partial<GatePorts>, 'environments'>,
  inflight: () => number,
): GateMetrics {
  const { metrics, registry, now } = ports;
  /** Precondition: it is one of the current registry. */
  const registryOf = (environment: string | undefined) =>
    (ports.environments?.of(environment).registry ?? registry)()?.registry;
  const registers = [metrics];
  collectDefaultMetrics({ register: metrics });
  for (const name of misnamed) metrics.removeSingleMetric(name);

  type Labels = Record<'cuj' | 'service' | 'verdict' | 'reason', string> & { readonly environment?: string };
  const verdicts = new Map<string, { readonly labels: Labels; count: number }>();
  new Counter({
    name: 'cuj_gate_verdicts_total',
    help: 'Verdicts answered; cuj="*" is the answer about a whole service.',
    labelNames: ['environment', 'cuj', 'service', 'verdict', 'reason'],
    registers,
    collect() {
      this.reset();
      for (const [key, { labels, count }] of verdicts) {
        if (isInForce(labels.cuj, labels.service, labels.environment)) this.inc(labels, count);
        // An answer in progress during the reload may add the series again; the next scrape drops it.
        else verdicts.delete(key);
      }
    },
  });
  /** Whether the CUJ and services of a series are still in the registry: other series are dropped. */
  function isInForce(cuj: string, service: string, environment: string | undefined): boolean {
    const state = registry();
    if (state === undefined || (cuj === '*' && service === '*')) return true;
    const { environments = [] } = state;
    if (environment === undefined ? environments.length > 0 : !environments.includes(environment))
      return false;
    const { cujs, services, retired } = state.registry;
    if (cuj === '*') return services.has(service);
    if (retired.has(cuj)) return service === '';
    const known = cujs.get(cuj)?.services;
    return known !== undefined && service.split(',').every((name) => known.includes(name));
  }
  /** Questions by name or alias, and environment. */
  const outdated = new Map<string, number>();
  const outdatedKey = (askedAs: string, environment = '') => `${askedAs} ${environment}`;
  new Counter({
    name: 'cuj_gate_outdated_requests_total',
    help: 'Questions about a CUJ by an alias (kind="alias"), or about a retired one (kind="retired"), by the name that was asked for.',
    labelNames: ['environment', 'cuj', 'asked_as', 'kind'],
    registers,
    collect() {
      this.reset();
      const state = registry();
      // All environments have the same names.
      const names = state === undefined ? [] : outdatedNames(state.registry);
      const { environments = [] } = state ?? {};
      const known = new Set<string>();
      // From 0 on, so that a rate tells that nobody asks.
      for (const environment of environments.length === 0 ? [undefined] : environments) {
        for (const one of names) {
          const key = outdatedKey(one.asked_as, environment);
          known.add(key);
          this.inc(environment === undefined ? one : { environment, ...one }, outdated.get(key) ?? 0);
        }
      }
      for (const key of outdated.keys()) if (!known.has(key)) outdated.delete(key);
    },
  });
  const durations = new Histogram({
    name: 'cuj_gate_http_request_duration_seconds',
    help: "Time from a request's arrival to its answer.",
    labelNames: ['route', 'method', 'code'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10],
    registers,
  });

  /** By CUJ and services: the latest verdict. */
  const latest = new Map<string, Shown>();
  function forget(): void {
    const oldestMs = now() - forgetAfterMs;
    for (const [key, { verdict, atMs }] of latest) {
      if (atMs < oldestMs || !isInForce(verdict.cuj, servicesLabel(verdict), verdict.environment))
        latest.delete(key);
    }
  }
  /** Gauges are computed from the latest verdicts when metrics are scraped. */
  function gauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    show: (gauge: Gauge<L>) => void,
  ): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        show(this);
      },
    });
  }
  interface CujLabels {
    readonly environment?: string;
    readonly cuj: string;
    readonly service: string;
  }
  const eachVerdict = (show: (labels: CujLabels, verdict: Verdict) => void) => {
    forget();
    for (const { verdict } of latest.values()) {
      const { cuj, environment } = verdict;
      const labels = { cuj, service: servicesLabel(verdict) };
      show(environment === undefined ? labels : { environment, ...labels }, verdict);
    }
  };
  const eachSli = (
    show: (labels: CujLabels & { readonly sli: string }, sli: Verdict['slis'][number]) => void,
  ) => {
    eachVerdict((labels, { cuj, slis, environment }) => {
      const cujs = registryOf(environment)?.cujs;
      for (const sli of slis) {
        if (cujs?.get(cuj)?.objectives[sli.sli] !== undefined) show({ ...labels, sli: sli.sli }, sli);
      }
    });
  };
  const sides = (sli: Verdict['slis'][number]): [string, SideFacts][] => [
    ['canary', sli],
    ['stable', sli.stable],
  ];
  gauge(
    'cuj_gate_sli_ratio',
    "Good events over total events in the latest verdict; stable's over all that was queried.",
    ['environment', 'cuj', 'service', 'sli', 'scope'],
    (of) =>
      eachSli((labels, sli) => {
        for (const [scope, { value }] of sides(sli)) if (value !== null) of.set({ ...labels, scope }, value);
      }),
  );
  gauge(
    'cuj_gate_events',
    'Good and bad events in the latest verdict; their sum is the total.',
    ['environment', 'cuj', 'service', 'sli', 'scope', 'kind'],
    (of) =>
      eachSli((labels, sli) => {
        for (const [scope, { good, bad }] of sides(sli)) {
          of.set({ ...labels, scope, kind: 'good' }, good);
          of.set({ ...labels, scope, kind: 'bad' }, bad);
        }
      }),
  );
  gauge(
    'cuj_gate_evidence',
    'Evidence against the canary in the latest verdict; at 1/falseAbort times the number of SLIs it fails.',
    ['environment', 'cuj', 'service', 'sli'],
    (of) => eachSli((labels, sli) => of.set(labels, sli.evidence)),
  );
  gauge(
    'cuj_gate_source_stale_seconds',
    'How old the newest data was where the latest verdict found that it has stopped for canary and stable alike; else 0.',
    ['environment', 'cuj', 'service'],
    (of) => eachVerdict((labels, { staleData }) => of.set(labels, staleData?.ageSeconds ?? 0)),
  );
  gauge('cuj_gate_inflight_requests', 'Status requests that wait for a response.', [], (of) =>
    of.set(inflight()),
  );
  gauge('cuj_gate_registry_info', 'Always 1; the digest of the current registry.', ['digest'], (of) => {
    const state = registry();
    if (state !== undefined) of.set({ digest: state.registry.digest }, 1);
  });
  gauge('cuj_gate_registry_cujs', 'CUJs in the current registry.', [], (of) =>
    of.set(registry()?.registry.cujs.size ?? 0),
  );
  gauge(
    'cuj_gate_registry_loaded_timestamp_seconds',
    'When the current registry was loaded, in seconds since the epoch.',
    [],
    (of) => of.set((registry()?.loadedAtMs ?? 0) / 1000),
  );
  gauge(
    'cuj_gate_registry_last_reload_successful',
    '0 while the registry files have problems and the previous registry is still used.',
    [],
    (of) => of.set(registry()?.failure === undefined ? 1 : 0),
  );
  new Counter({
    name: 'cuj_gate_registry_reload_errors_total',
    help: 'Changes of the registry that were refused because they were wrong.',
    registers,
    collect() {
      this.reset();
      this.inc(registry()?.reloadErrors ?? 0);
    },
  });

  return {
    verdictAnswered(cuj, service, verdict, reason, environment) {
      const key = `${cuj} ${service} ${verdict} ${reason} ${environment ?? ''}`;
      const series = verdicts.get(key);
      const labels = { cuj, service, verdict, reason };
      if (series === undefined)
        verdicts.set(key, {
          labels: environment === undefined ? labels : { environment, ...labels },
          count: 1,
        });
      else series.count += 1;
    },
    judged(verdict) {
      if (verdict.slis.length === 0) return;
      latest.set(`${verdict.cuj} ${servicesLabel(verdict)} ${verdict.environment ?? ''}`, {
        verdict,
        atMs: now(),
      });
    },
    askedOutdated(askedAs, environment) {
      const key = outdatedKey(askedAs, environment);
      outdated.set(key, (outdated.get(key) ?? 0) + 1);
    },
    answered(route, method, status, seconds) {
      durations.observe({ route, method: methodLabel(method), code: status }, seconds);
    },
  };
}

/** Every name that nobody should ask for any more. */
function outdatedNames({ aliases, cujs, retired }: Registry) {
  const ofRetired = [...retired.values()].flatMap((cuj) =>
    namesOf(cuj).map((name) => ({ cuj: cuj.name, asked_as: name, kind: 'retired' })),
  );
  const ofOthers = [...aliases].flatMap(([alias, name]) =>
    cujs.has(name) ? [{ cuj: name, asked_as: alias, kind: 'alias' }] : [],
  );
  return [...ofRetired, ...ofOthers];
}

/** A CUJ's services as one label value, bounded by the registry. */
export function servicesLabel(verdict: Pick<Verdict, 'services'>): string {
  return verdict.services.length === 1 ? (verdict.services[0] as string) : verdict.services.join(',');
}

function methodLabel(method: string): string {
  return method === 'GET' || method === 'HEAD' || method === 'POST' ? method : 'other';
}
