import type { BySli } from '../sli/by-sli.ts';
import type { Failure } from '../sli/failure.ts';
import type { Objective } from './objective.ts';
import type { RuleName } from './rules.ts';
import type { SelectorTemplate } from './selector.ts';
import type { Source, SourceDialect } from './source-dialect.ts';

/** The registry as the gate understands it: defaults applied, names resolved, durations in ms, objectives exact. */
export interface Registry {
  /** SHA-256 over the files' names and bytes, as `sha256:<64 hex>`: the same files give the same digest everywhere. */
  readonly digest: string;
  /** Which of its environments this is; absent where the files name none. */
  readonly environment?: string;
  readonly sources: ReadonlyMap<string, Source>;
  readonly services: ReadonlyMap<string, Service>;
  /** Those that are judged: the retired ones are not among them. */
  readonly cujs: ReadonlyMap<string, Cuj>;
  readonly retired: ReadonlyMap<string, Cuj>;
  /** From each alias to the name of its CUJ, which may be retired. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Which services are measured together; every service with a CUJ is in exactly one. */
  readonly batches: readonly QueryBatch[];
  readonly batchOfService: ReadonlyMap<string, QueryBatch>;
}

/** What the files of a registry come to: a registry for each environment, or one alone. */
export interface RegistrySet {
  readonly digest: string;
  /** By environment, in the order of the files. In a registry without environments the only key is undefined. Never empty. */
  readonly byEnvironment: ReadonlyMap<string | undefined, Registry>;
}

/** The environments by name; empty where the files name none. */
export function environmentsIn({ byEnvironment }: RegistrySet): string[] {
  return [...byEnvironment.keys()].filter((name) => name !== undefined);
}

/** Any of the environments, for what all of them share: the files, the CUJs and services by name. */
export function anyRegistryOf({ byEnvironment }: RegistrySet): Registry {
  const [any] = byEnvironment.values();
  return any as Registry;
}

/** A tag of all traffic that is judged. */
export interface ScopeTag {
  readonly key: string;
  readonly value: string;
}

/** An application in the browsers of users, or on their devices. */
export interface ClientApplication {
  /** Its id in the backend: a UUID in lower case. */
  readonly id: string;
  /** The service that is released with it, under the same version. Absent where it is released alone. */
  readonly releasedWith?: string;
  /** Metrics that are made for it count one environment: the one of its registry, where that has several. */
  readonly environment?: string;
}

/** The source of a service that is a client: metrics that are made of the events of its users. No source of the registry is called so. */
export const clientSource = 'RUM';

/** The source of a service that is measured by metrics which the backend makes of its spans. No source of the registry is called so. */
export const spansSource = 'spans';

/** Whether a source is one of requests of an operation, of which the registry says what fails. */
export function isOfOperation(source: string): boolean {
  return source === 'trace' || source === spansSource;
}

/** How metrics are made of the spans of a service. */
export interface SpanMetrics {
  /** The tag of its spans that tells endpoints apart. Absent: what the backend takes for them. */
  readonly endpointTag?: string;
  /** As that of {@link ClientApplication}. */
  readonly environment?: string;
}

export interface Service {
  readonly name: string;
  readonly env: string;
  /** Further tags of its traffic besides `env`, by key; absent where there are none. */
  readonly tags?: readonly ScopeTag[];
  /** Of the backend that measures it. */
  readonly dialect: SourceDialect;
  /** `trace`, {@link spansSource}, {@link clientSource}, or the name of a template under `sources`. */
  readonly source: string;
  /** The span name; set where the source is `trace` or {@link spansSource}. */
  readonly operation: string | undefined;
  readonly canary: SelectorTemplate;
  readonly stable: SelectorTemplate | undefined;
  readonly sampleRate: number;
  /** Undefined: estimated from stable. */
  readonly dispersion: number | undefined;
  /** How long after its first request its canary is not judged, in ms. Absent: as the CUJ's policy says. */
  readonly warmUpMs?: BySli<number>;
  /** Which requests fail, where neither CUJ nor endpoint says it. Absent where the service does not either. */
  readonly failure?: Failure;
  /** Set where it is a client, which has views and actions in place of endpoints. */
  readonly client?: ClientApplication;
  /** Set where its source is {@link spansSource}. */
  readonly spans?: SpanMetrics;
}

/** One endpoint, or the whole service (`resource` is `*`). */
export interface Endpoint {
  readonly service: string;
  /** The key by which the backend stores its counts, or `*`. */
  readonly resource: string;
  /** As the developers wrote it: `POST /api/v1/login`. */
  readonly label: string;
  readonly latencyMs: number | undefined;
  /** Which requests fail. Absent: those that end in 5XX, or the bad events of the source. */
  readonly failure?: Failure;
  /** The service that is released with it under the same version, where that is another one than its own. */
  readonly releasedWith?: string;
}

export interface GatePolicy {
  readonly rule: RuleName;
  /** alpha. */
  readonly falseAbort: number;
  readonly ruleOutBurn: number;
  /** From this time after the canary's first request on, a pass may rule out less; undefined: never. */
  readonly passAfterMs?: number | undefined;
  /** The failure rate, 0 to 1, that a pass after `passAfterMs` rules out at least. Absent in old records. */
  readonly rulesOutRate?: number | undefined;
  readonly minRequests: number;
  readonly onLowTraffic: 'inconclusive' | 'pass';
  /** What becomes of a pass where an endpoint is not reached by the canary. Absent in old records: pass. */
  readonly onUnreached?: 'inconclusive' | 'pass' | undefined;
  /** A fixed span in ms, or the rollout. */
  readonly window: 'rollout' | number;
  readonly maxWindowMs: number;
  readonly restartGapMs: number;
  /** How long after its first request the canary is not judged, in ms. Absent: at once. */
  readonly warmUpMs?: BySli<number> | undefined;
  /** No interval shorter than this carries a fail alone. Absent in old records: {@link defaultMinFaultMs}. */
  readonly minFaultMs?: number | undefined;
  readonly lagMs: number;
}

export const defaultMinFaultMs = 30_000;

export interface ErrorBudgetAction {
  /** Applies while less than this share of the error budget is left: 0.5 for 50%. */
  readonly below: number;
  readonly action: string;
  readonly gate: RuleName | undefined;
}

export interface Cuj {
  readonly name: string;
  /** Earlier names. Absent where there are none. */
  readonly aliases?: readonly string[];
  /** Why it is no longer judged. Then it has no endpoints, services and objectives. Absent where it is judged. */
  readonly retired?: string;
  /** As that of its registry: names of what is made of a CUJ must differ between environments. */
  readonly environment?: string;
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly owner: string;
  readonly runbook: string | undefined;
  readonly tier: 1 | 2 | 3;
  readonly mode: 'enforce' | 'observe';
  readonly endpoints: readonly Endpoint[];
  /** The services of its endpoints, each once, in order of appearance. */
  readonly services: readonly string[];
  readonly sloWindow: '7d' | '30d' | '90d';
  readonly objectives: BySli<Objective>;
  readonly sloIds: BySli<string>;
  readonly gate: GatePolicy;
  readonly errorBudgetPolicy: readonly ErrorBudgetAction[];
}

/**
 * Services that share env, tags, source and selector templates, asked for in one call. A batch is bounded, so that the cost
 * of a verdict does not grow with the registry.
 */
export interface QueryBatch {
  readonly id: string;
  readonly env: string;
  /** As those of its services. */
  readonly tags?: readonly ScopeTag[];
  readonly source: string;
  /** What `source` names; undefined where it is `trace`. Carried here so that a question uses one registry only. */
  readonly template: Source | undefined;
  readonly services: readonly BatchService[];
  /** The span that covers every CUJ of the batch. */
  readonly maxWindowMs: number;
  /** The least lag of any CUJ of the batch: the snapshot ends there, a CUJ with more cuts its own. */
  readonly lagMs: number;
}

export interface BatchService {
  readonly service: Service;
  /** Resources that some CUJ asks for, `*` not among them: those whose failures are 5XX. */
  readonly resources: readonly string[];
  /** Whether some CUJ asks for `*`, with 5XX as failures. */
  readonly asWhole: boolean;
  /** Latency thresholds in ms, each with its resources (`*` for the whole service). */
  readonly thresholds: readonly { readonly latencyMs: number; readonly resources: readonly string[] }[];
  /** Other definitions of failure, each with its resources (`*` for the whole service). Absent where there are none. */
  readonly failures?: readonly { readonly failure: Failure; readonly resources: readonly string[] }[];
}

/** The CUJ that a name or an alias stands for, retired or not. */
export function cujCalled({ cujs, retired, aliases }: Registry, name: string): Cuj | undefined {
  const present = aliases.get(name) ?? name;
  return cujs.get(present) ?? retired.get(present);
}

/** Whether an endpoint is judged where a service is released: its own, and those of the client that is released with it. */
export function isReleasedWith(
  { service, releasedWith }: Pick<Endpoint, 'service' | 'releasedWith'>,
  released: string,
): boolean {
  return service === released || releasedWith === released;
}

/** The services of a CUJ that are judged where a service is released; empty where the CUJ says nothing about the release. */
export function servicesReleasedWith({ endpoints, services }: Cuj, released: string): readonly string[] {
  return services.filter((name) =>
    endpoints.some((endpoint) => endpoint.service === name && isReleasedWith(endpoint, released)),
  );
}

/** Whether a CUJ is judged where a service is released. */
export function isJudgedInReleaseOf({ endpoints }: Cuj, released: string): boolean {
  return endpoints.some((endpoint) => isReleasedWith(endpoint, released));
}

/** The services whose releases a CUJ judges, each once. */
export function releasedServicesOf({ endpoints }: Cuj): readonly string[] {
  return [...new Set(endpoints.map(({ service, releasedWith = service }) => releasedWith))];
}

/** Whether any CUJ of a service is enforced: otherwise a question about the whole service never passes. */
export function hasEnforcedCuj({ cujs }: Registry, service: string): boolean {
  return [...cujs.values()].some((cuj) => cuj.mode === 'enforce' && isJudgedInReleaseOf(cuj, service));
}

/** The names by which a CUJ answers: the present one first. */
export function namesOf({ name, aliases = [] }: Cuj): readonly string[] {
  return [name, ...aliases];
}

/** One thing wrong with a registry. */
export interface Problem {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
  /** Where in the document: `cujs[3].slo.availability`; the empty string is the document itself. */
  readonly path: string;
  /** A stable, kebab-case name of the check that failed: `unknown-key`. */
  readonly rule: string;
  /** What was found, as JSON; absent where nothing was there. */
  readonly value?: unknown;
  readonly message: string;
  /** What to do, in one sentence. */
  readonly fix: string;
}
