import { Counter, collectDefaultMetrics, Gauge, Histogram } from 'prom-client';
import type { Verdict } from '../../domain/judge/judge.ts';
import type { Outcome, Reason } from '../../domain/judge/outcome.ts';
import type { SideFacts } from '../../domain/judge/rounding.ts';
import { namesOf, type Registry } from '../../domain/registry/model.ts';
import type { AppPorts } from '../server/ports.ts';

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
  verdictAnswered(cuj: string, service: string, outcome: Outcome, reason: Reason): void;
  /** Shows a CUJ's verdict as gauges, until it is old or its CUJ or services leave the registry. */
  judged(verdict: Verdict): void;
  /** Counts a question by an alias, or about a retired CUJ. */
  askedOutdated(askedAs: string): void;
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
  { metrics, registry, now }: Pick<AppPorts, 'metrics' | 'registry' | 'now'>,
  inflight: () => number,
): GateMetrics {
  const registers = [metrics];
  collectDefaultMetrics({ register: metrics });
  for (const name of misnamed) metrics.removeSingleMetric(name);

  type Labels = Record<'cuj' | 'service' | 'verdict' | 'reason', string>;
  const verdicts = new Map<string, { readonly labels: Labels; count: number }>();
  new Counter({
    name: 'cuj_gate_verdicts_total',
    help: 'Verdicts answered; cuj="*" is the answer about a whole service.',
    labelNames: ['cuj', 'service', 'verdict', 'reason'],
    registers,
    collect() {
      this.reset();
      for (const [key, { labels, count }] of verdicts) {
        if (isInForce(labels.cuj, labels.service)) this.inc(labels, count);
        // An answer in progress during the reload may add the series again; the next scrape drops it.
        else verdicts.delete(key);
      }
    },
  });
  /** Whether the CUJ and services of a series are still in the registry: other series are dropped. */
  function isInForce(cuj: string, service: string): boolean {
    const state = registry();
    if (state === undefined || (cuj === '*' && service === '*')) return true;
    const { cujs, services, retired } = state.registry;
    if (cuj === '*') return services.has(service);
    if (retired.has(cuj)) return service === '';
    const known = cujs.get(cuj)?.services;
    return known !== undefined && service.split(',').every((name) => known.includes(name));
  }
  /** Questions by name or alias. */
  const outdated = new Map<string, number>();
  new Counter({
    name: 'cuj_gate_outdated_requests_total',
    help: 'Questions about a CUJ by an alias (kind="alias"), or about a retired one (kind="retired"), by the name that was asked for.',
    labelNames: ['cuj', 'asked_as', 'kind'],
    registers,
    collect() {
      this.reset();
      const state = registry();
      const known = state === undefined ? [] : outdatedNames(state.registry);
      // From 0 on, so that a rate tells that nobody asks.
      for (const one of known) this.inc(one, outdated.get(one.asked_as) ?? 0);
      for (const name of outdated.keys())
        if (!known.some(({ asked_as }) => asked_as === name)) outdated.delete(name);
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
      if (atMs < oldestMs || !isInForce(verdict.cuj, servicesLabel(verdict))) latest.delete(key);
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
  const eachVerdict = (show: (labels: { cuj: string; service: string }, verdict: Verdict) => void) => {
    forget();
    for (const { verdict } of latest.values())
      show({ cuj: verdict.cuj, service: servicesLabel(verdict) }, verdict);
  };
  const eachSli = (
    show: (labels: { cuj: string; service: string; sli: string }, sli: Verdict['slis'][number]) => void,
  ) => {
    const cujs = registry()?.registry.cujs;
    eachVerdict((labels, { cuj, slis }) => {
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
    ['cuj', 'service', 'sli', 'scope'],
    (of) =>
      eachSli((labels, sli) => {
        for (const [scope, { value }] of sides(sli)) if (value !== null) of.set({ ...labels, scope }, value);
      }),
  );
  gauge(
    'cuj_gate_events',
    'Good and bad events in the latest verdict; their sum is the total.',
    ['cuj', 'service', 'sli', 'scope', 'kind'],
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
    ['cuj', 'service', 'sli'],
    (of) => eachSli((labels, sli) => of.set(labels, sli.evidence)),
  );
  gauge(
    'cuj_gate_source_stale_seconds',
    'How old the newest data was where the latest verdict found that it has stopped for canary and stable alike; else 0.',
    ['cuj', 'service'],
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
    verdictAnswered(cuj, service, verdict, reason) {
      const key = `${cuj} ${service} ${verdict} ${reason}`;
      const series = verdicts.get(key);
      if (series === undefined) verdicts.set(key, { labels: { cuj, service, verdict, reason }, count: 1 });
      else series.count += 1;
    },
    judged(verdict) {
      if (verdict.slis.length === 0) return;
      latest.set(`${verdict.cuj} ${servicesLabel(verdict)}`, { verdict, atMs: now() });
    },
    askedOutdated(askedAs) {
      outdated.set(askedAs, (outdated.get(askedAs) ?? 0) + 1);
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
