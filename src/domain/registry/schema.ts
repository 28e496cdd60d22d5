import Type, { type Static, type TSchema } from 'typebox';
import { durationPattern } from '../duration.ts';
import { forEverySli } from '../sli/by-sli.ts';
import { clientSignals } from '../sli/client-failure.ts';
import { grpcStatuses } from '../sli/failure.ts';
import { usuallyGoodText } from '../sli/kind.ts';
import { ruleNames } from './rules.ts';

/**
 * The registry's format. This schema is the type, the check when a registry is loaded, and what `cuj-gate schema` prints for
 * editors. What it cannot express (names that must exist elsewhere, decimals, uniqueness) is in resolve.ts.
 */

const closed = { additionalProperties: false } as const;

/** Of a route as it is written, in characters. A backend may store less of it. */
const maxRouteLength = 1000;
/** As long as the longest name that can be defined. */
const maxNameLength = 100;

const Duration = (description: string) =>
  Type.String({ pattern: durationPattern, description, examples: ['5m', '2h', '90s'] });
const Percent = (description: string) =>
  Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 100, description, examples: [99.95] });
const LatencyMs = Type.Number({
  exclusiveMinimum: 0,
  maximum: 600_000,
  description: 'A request slower than this many milliseconds is a bad event of the latency SLI.',
});

const FailureSchema = Type.Union(
  [
    Type.Enum(['5xx', 'grpc', 'errors'], { type: 'string' }),
    Type.Array(
      Type.Union([
        Type.String({ pattern: '^[1-5]xx$', description: 'A class of statuses.', examples: ['5xx'] }),
        Type.Number({
          minimum: 100,
          maximum: 599,
          multipleOf: 1,
          description: 'One status of HTTP, such as 429.',
        }),
      ]),
      { minItems: 1, maxItems: 20 },
    ),
    Type.Object(
      {
        grpc: Type.Array(Type.Enum([...grpcStatuses], { description: 'A status of gRPC.' }), {
          minItems: 1,
          maxItems: grpcStatuses.length,
          description: 'The statuses that are failures.',
        }),
      },
      closed,
    ),
  ],
  {
    description:
      'Which requests fail: 5xx (default), grpc (statuses that are the fault of the server), errors (spans marked as errors, such as those of GraphQL), or a list of statuses: [5xx, 429].',
    examples: ['grpc'],
  },
);

export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** What an endpoint begins with that is an operation of GraphQL. */
export const graphqlTypes = ['query', 'mutation', 'subscription'] as const;

const SloDefaultsSchema = Type.Object(
  {
    window: Type.Optional(
      Type.Union([Type.Literal('7d'), Type.Literal('30d'), Type.Literal('90d')], {
        description: "The SLO's rolling window.",
      }),
    ),
    ...forEverySli((sli, kind) =>
      Type.Optional(Percent(`The ${sli} objective in percent: ${kind.events} ${usuallyGoodText(kind)}.`)),
    ),
  },
  closed,
);

const WarmUpPeriod = (description: string) =>
  Type.String({ pattern: `^(none|[1-9][0-9]{0,4}(s|m|h|d))$`, description, examples: ['none', '2m'] });

const WarmUpSchema = Type.Union(
  [
    WarmUpPeriod('For every SLI.'),
    Type.Object(
      forEverySli((sli) => Type.Optional(WarmUpPeriod(`For the ${sli} SLI.`))),
      { ...closed, minProperties: 1 },
    ),
  ],
  {
    description:
      'How long after its first request the canary is not judged, in whole minutes, for all SLIs or by SLI: cold caches are no fault. At most 10m.',
  },
);

const GateSchema = Type.Object(
  {
    rule: Type.Optional(
      Type.Enum([...ruleNames], { description: 'How a verdict is reached; docs/verdicts.md.' }),
    ),
    falseAbort: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 0.5,
        description:
          'The share of rollouts with every endpoint on the SLO that may be aborted by chance (alpha).',
      }),
    ),
    ruleOutBurn: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 1000,
        description: 'The burn rate that traffic must rule out before a pass.',
      }),
    ),
    passAfter: Type.Optional(
      Type.String({
        pattern: `^(never|[1-9][0-9]{0,4}(s|m|h|d))$`,
        description:
          'From this time after the first canary request on, passes with limited evidence are allowed; never: every pass must be proven.',
      }),
    ),
    rulesOutRate: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 50,
        description: 'The failure rate in percent that a pass after passAfter must rule out.',
      }),
    ),
    minRequests: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1_000_000_000,
        description: 'Fewer canary requests than this never pass.',
      }),
    ),
    onLowTraffic: Type.Optional(
      Type.Union([Type.Literal('inconclusive'), Type.Literal('pass')], {
        description:
          'The verdict while there is too little traffic to decide and there is no evidence against the canary.',
      }),
    ),
    onUnreached: Type.Optional(
      Type.Union([Type.Literal('inconclusive'), Type.Literal('pass')], {
        description:
          'The verdict where the canary has no request on an endpoint that should have 20 or more, and would pass otherwise.',
      }),
    ),
    window: Type.Optional(
      Type.String({
        pattern: `^(rollout|[1-9][0-9]{0,4}(s|m|h|d))$`,
        description: 'rollout (all since this rollout began) or a fixed span such as 5m, in whole minutes.',
      }),
    ),
    maxWindow: Type.Optional(Duration('The longest span that is analyzed, in whole minutes.')),
    restartGap: Type.Optional(
      Duration('A period without canary requests of this length ends one rollout and begins the next.'),
    ),
    warmUp: Type.Optional(WarmUpSchema),
    minFaultDuration: Type.Optional(
      Duration('A fault that is over before this time never fails: 10s to 10m.'),
    ),
    lag: Type.Optional(Duration('How old the newest data must be before it counts as complete: 20s to 1h.')),
  },
  closed,
);

const EndpointSchema = Type.Union(
  [
    Type.String({
      pattern: `^((${methods.join('|')}) /\\S*|(${graphqlTypes.join('|')}) [_A-Za-z][_0-9A-Za-z]*)$`,
      maxLength: maxRouteLength,
      description:
        'METHOD /path, the route as the framework writes it; or an operation of GraphQL, such as query Search.',
      examples: ['POST /api/v1/login'],
    }),
    Type.Object(
      {
        service: Type.Optional(Type.String({ minLength: 1, maxLength: maxNameLength })),
        method: Type.Enum([...methods]),
        path: Type.String({ pattern: '^/\\S*$', maxLength: maxRouteLength }),
        latencyMs: Type.Optional(LatencyMs),
        failure: Type.Optional(FailureSchema),
      },
      closed,
    ),
    Type.Object(
      {
        service: Type.Optional(Type.String({ minLength: 1, maxLength: maxNameLength })),
        resource: Type.String({
          minLength: 1,
          maxLength: 200,
          description: 'The raw resource_name, where it is not METHOD /path.',
        }),
        latencyMs: Type.Optional(LatencyMs),
        failure: Type.Optional(FailureSchema),
      },
      closed,
    ),
  ],
  { title: 'endpoint' },
);

const ClientNames = (what: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
    minItems: 1,
    maxItems: 100,
    description: `Names of ${what}, as RUM has them.`,
  });

/** What users do in their browsers, beside what servers answer. */
const ClientSchema = Type.Object(
  {
    service: Type.String({
      minLength: 1,
      maxLength: maxNameLength,
      description: 'The client: a service with an application.',
    }),
    views: Type.Optional(ClientNames('views')),
    actions: Type.Optional(ClientNames('actions')),
    fails: Type.Optional(
      Type.Array(
        Type.Union([
          Type.Enum([...clientSignals], { type: 'string' }),
          Type.Object(
            {
              slow: Type.String({
                pattern: '^[1-9][0-9]{0,5}(ms|s)$',
                description: 'A time, such as 4s or 900ms: views and actions that take longer to load fail.',
              }),
            },
            closed,
          ),
        ]),
        {
          minItems: 1,
          maxItems: 3,
          description: 'Which views and actions fail: error (default), frustration, { slow: 4s }.',
        },
      ),
    ),
  },
  { ...closed, description: 'Views and actions of the journey on the client.' },
);

const PolicySchema = Type.Object(
  {
    below: Type.String({
      pattern: '^-?[0-9]{1,3}(\\.[0-9]{1,9})?%$',
      description: 'Error budget left, such as 50% or 0%.',
    }),
    action: Type.String({ minLength: 1, maxLength: 2000, description: 'What the team agreed to do.' }),
    gate: Type.Optional(
      Type.Enum([...ruleNames], { description: 'The rule that judges rollouts while the budget is below.' }),
    ),
  },
  closed,
);

const EnvSchema = Type.String({ pattern: '^[a-z0-9_:./-]{1,200}$', description: 'The env tag.' });

const TagsSchema = Type.Record(
  Type.String({ pattern: '^[a-z][a-z0-9_./-]{0,199}$' }),
  Type.String({ pattern: '^[a-z0-9_:./-]{1,200}$' }),
  {
    ...closed,
    maxProperties: 10,
    description: 'Further tags that all traffic has which is judged: cluster_name: eu-1.',
  },
);

/** A name fits into a label of Kubernetes, and into an identifier of Grafana after our own name. */
const environmentPattern = '^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$';

/** What differs in some environments, by their names. */
const overrides = <T extends TSchema>(schema: T) =>
  Type.Optional(
    Type.Record(Type.String({ pattern: environmentPattern }), schema, {
      ...closed,
      description: 'What differs in an environment, by its name under environments.',
    }),
  );

const serviceFields = {
  env: Type.Optional(EnvSchema),
  tags: Type.Optional(TagsSchema),
  source: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: maxNameLength,
      description:
        'trace (default), spans (metrics that Terraform makes of the spans, with tags that the application sets), or a name under sources.',
    }),
  ),
  operation: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z][A-Za-z0-9_.]{0,150}$',
      description: 'The span name in trace.<operation>.hits, such as http.request or express.request.',
    }),
  ),
  endpointTag: Type.Optional(
    Type.String({
      pattern: '^[a-z][a-z0-9_./-]{0,199}$',
      description:
        'With source: spans, the tag of the spans that tells endpoints apart, where it is not their resource.',
    }),
  ),
  application: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
      description:
        'The id of its RUM application: a UUID in lower case. Then it is a client, which has views and actions.',
    }),
  ),
  releasedWith: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: maxNameLength,
      description: 'Of a client: the service that is released with it under the same version.',
    }),
  ),
  canary: Type.String({
    minLength: 1,
    maxLength: 500,
    description: 'Which traffic is the canary: version:{version}.',
  }),
  stable: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 500,
      description: 'Which traffic is stable; without it, the rest.',
    }),
  ),
  sampleRate: Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 1,
      description: 'The share of requests that the application traces.',
    }),
  ),
  dispersion: Type.Optional(
    Type.Number({
      minimum: 1,
      maximum: 1000,
      description:
        'How bursty errors are: variance of the errors per minute divided by their mean. Default: estimated from stable.',
    }),
  ),
  warmUp: Type.Optional(WarmUpSchema),
  failure: Type.Optional(FailureSchema),
};

export const ServiceSchema = Type.Object(
  { ...serviceFields, environments: overrides(Type.Partial(Type.Object(serviceFields), closed)) },
  { ...closed, title: 'service' },
);

export const durationUnits = ['seconds', 'milliseconds'] as const;
export type DurationUnit = (typeof durationUnits)[number];

export const SourceSchema = Type.Object(
  {
    backend: Type.Optional(
      Type.String({
        pattern: '^[a-z][a-z0-9-]*$',
        maxLength: 40,
        description:
          'The metrics backend that has these metrics, where it is another than that of the process (CUJ_GATE_BACKEND).',
      }),
    ),
    total: Type.String({ minLength: 1, maxLength: 2000, description: 'A count query for all events.' }),
    bad: Type.String({ minLength: 1, maxLength: 2000, description: 'A count query for bad events.' }),
    groupBy: Type.Optional(
      Type.String({
        pattern: '^[a-z@][a-z0-9_./-]*$',
        maxLength: 200,
        description: 'The tag that tells endpoints apart. Without it only endpoints: "*" can be judged.',
      }),
    ),
    duration: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2000,
        description: 'The histogram of how long the events of total took, for latency. With Prometheus only.',
      }),
    ),
    durationUnit: Type.Optional(
      Type.Enum([...durationUnits], {
        description: 'The unit of duration, where the name of the histogram does not end in it.',
      }),
    ),
  },
  { ...closed, title: 'source' },
);

const cujNamePattern = '^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$';

/** What a CUJ may have another value of in an environment. */
const perEnvironment = {
  mode: Type.Optional(
    Type.Union([Type.Literal('enforce'), Type.Literal('observe')], {
      description: 'observe: judged and shown, never fails a rollout.',
    }),
  ),
  slo: Type.Optional(SloDefaultsSchema),
  sloId: Type.Optional(
    Type.Object(
      forEverySli(() => Type.Optional(Type.String({ pattern: '^[0-9a-f]{32}$' }))),
      { ...closed, description: 'SLOs that exist already, by id.' },
    ),
  ),
  gate: Type.Optional(GateSchema),
  latencyMs: Type.Optional(LatencyMs),
  errorBudgetPolicy: Type.Optional(Type.Array(PolicySchema, { minItems: 1, maxItems: 20 })),
};

/** In the order in which people write a CUJ. */
const { mode, errorBudgetPolicy, ...valuesBefore } = perEnvironment;

export const CujSchema = Type.Object(
  {
    name: Type.String({
      pattern: cujNamePattern,
      description:
        'A DNS label of at most 50 characters, unique. To rename it, add the earlier name to aliases.',
    }),
    title: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    description: Type.Optional(Type.String({ minLength: 1, maxLength: 2000 })),
    owner: Type.String({ minLength: 1, maxLength: 200, description: 'The team that owns this CUJ.' }),
    runbook: Type.Optional(Type.String({ pattern: '^https?://\\S+$', maxLength: 1000 })),
    tier: Type.Optional(Type.Integer({ minimum: 1, maximum: 3, description: '1 most critical … 3.' })),
    service: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: maxNameLength,
        description: 'The service of every endpoint that names none.',
      }),
    ),
    mode,
    aliases: Type.Optional(
      Type.Array(Type.String({ pattern: cujNamePattern }), {
        minItems: 1,
        maxItems: 20,
        description: 'Earlier names, by which templates may still ask. Unique over all names and aliases.',
      }),
    ),
    retired: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description:
          'Why this CUJ is no longer judged. It answers inconclusive with this sentence, and needs no endpoints.',
        examples: ['since 2026-12-01: merged into payment'],
      }),
    ),
    ...valuesBefore,
    failure: Type.Optional(FailureSchema),
    endpoints: Type.Optional(
      Type.Union([Type.Literal('*'), Type.Array(EndpointSchema, { minItems: 1, maxItems: 500 })]),
    ),
    client: Type.Optional(ClientSchema),
    errorBudgetPolicy,
    environments: overrides(Type.Object(perEnvironment, closed)),
  },
  // Only a retired CUJ needs no endpoints.
  {
    ...closed,
    title: 'CUJ',
    if: { properties: { retired: true }, required: ['retired'] },
    else: { properties: { endpoints: true }, required: ['endpoints'] },
  },
);

const defaults = { slo: Type.Optional(SloDefaultsSchema), gate: Type.Optional(GateSchema) };

/** Of every service that says nothing else for this environment. */
const EnvironmentSchema = Type.Object(
  { env: Type.Optional(EnvSchema), tags: Type.Optional(TagsSchema) },
  { ...closed, title: 'environment' },
);

export const RegistrySchema = Type.Object(
  {
    apiVersion: Type.Literal('cuj-gate/v1'),
    environments: Type.Optional(
      Type.Record(Type.String({ pattern: environmentPattern }), EnvironmentSchema, {
        ...closed,
        description: 'Environments and clusters by name: one registry for all of them.',
      }),
    ),
    defaults: Type.Optional(
      Type.Object({ ...defaults, environments: overrides(Type.Object(defaults, closed)) }, closed),
    ),
    sources: Type.Optional(
      Type.Record(Type.String({ pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' }), SourceSchema, closed),
    ),
    services: Type.Optional(
      Type.Record(Type.String({ pattern: '^[a-z0-9]([a-z0-9_.-]{0,98}[a-z0-9])?$' }), ServiceSchema, closed),
    ),
    cujs: Type.Optional(Type.Array(CujSchema)),
  },
  {
    ...closed,
    title: 'cuj-gate registry',
    description: 'Critical User Journeys and what they are judged by.',
  },
);

export type RegistryDocument = Static<typeof RegistrySchema>;
/** As it is written, retired or not. */
export type AnyCujDocument = Static<typeof CujSchema>;
/** A CUJ that is not retired: the schema makes sure of its endpoints. */
export type CujDocument = AnyCujDocument & Required<Pick<AnyCujDocument, 'endpoints'>>;
export type ServiceDocument = Static<typeof ServiceSchema>;
export type EnvironmentDocument = Static<typeof EnvironmentSchema>;
export type SourceDocument = Static<typeof SourceSchema>;
export type GateDocument = Static<typeof GateSchema>;
export type ClientDocument = Static<typeof ClientSchema>;
export type EndpointDocument = Static<typeof EndpointSchema>;
