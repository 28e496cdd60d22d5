import Type, { type Static } from 'typebox';
import { ruleNames } from '../../domain/registry/rules.ts';
import { forEverySli } from '../../domain/sli/by-sli.ts';
import { usuallyGoodText } from '../../domain/sli/kind.ts';
import { Closed, literals } from './schema-parts.ts';

/** Responses of the registry routes. */

const Ratio = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });
const Objectives = Closed(
  forEverySli((_, kind) =>
    Type.Optional(Ratio(`The least share of ${kind.events} ${usuallyGoodText(kind)}.`)),
  ),
);
const Params = Closed({
  required: Type.Array(Type.String(), { description: 'Required parameters.' }),
  optional: Type.Array(Type.String(), {
    description: 'Parameters of the stable selector. Without them, stable is all other traffic.',
  }),
});
const Rule = literals(ruleNames);
const Digest = Type.String({
  pattern: '^sha256:[0-9a-f]{64}$',
  description: 'Digest of the current registry.',
});
const Queries = Type.Array(Closed({ name: Type.String(), query: Type.String() }));

const Environment = Type.Optional(
  Type.String({ description: 'The environment that this is about, where the registry has any.' }),
);

const heading = {
  name: Type.String(),
  title: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  owner: Type.String(),
  tier: Type.Integer({ minimum: 1, maximum: 3 }),
  mode: Type.Union([Type.Literal('enforce'), Type.Literal('observe')]),
};

const aliases = Type.Optional(
  Type.Array(Type.String(), { description: 'Earlier names, by which it answers as well.' }),
);
const askedAs = {
  askedAs: Type.Optional(Type.String({ description: 'The alias that was asked by.' })),
  aliasNote: Type.Optional(Type.String()),
};
const retired = Type.String({ description: 'Why it is no longer judged.' });

export const CujListSchema = Closed(
  {
    summary: Type.String(),
    cujs: Type.Array(
      Closed({
        ...heading,
        aliases,
        services: Type.Array(Type.String()),
        objectives: Objectives,
        params: Params,
        url: Type.String(),
      }),
    ),
    retired: Type.Optional(
      Type.Array(Closed({ name: Type.String(), retired, owner: Type.String(), aliases }), {
        description: 'CUJs that are no longer judged, on the first page. Absent where there are none.',
      }),
    ),
    environment: Environment,
    next: Type.Optional(Type.String({ description: 'The URL of the next page. Absent on the last one.' })),
    registry: Digest,
  },
  { $id: 'CujList', description: 'The CUJs of the registry, one page at a time.' },
);
export type CujListDocument = Static<typeof CujListSchema>;

export const RetiredCujSchema = Closed(
  {
    summary: Type.String(),
    ...heading,
    aliases,
    ...askedAs,
    runbook: Type.Optional(Type.String()),
    retired,
    url: Type.String({
      description: 'URL of the verdict, which is always inconclusive (in mode observe: pass).',
    }),
    registry: Digest,
  },
  { $id: 'RetiredCuj', description: 'A CUJ that is no longer judged.' },
);
export type RetiredCujDocument = Static<typeof RetiredCujSchema>;

export const CujEntrySchema = Closed(
  {
    summary: Type.String(),
    ...heading,
    aliases,
    ...askedAs,
    runbook: Type.Optional(Type.String()),
    objectives: Objectives,
    sloWindow: Type.Union([Type.Literal('7d'), Type.Literal('30d'), Type.Literal('90d')]),
    gate: Closed({
      rule: Rule,
      falseAbort: Type.Number(),
      ruleOutBurn: Type.Number(),
      passAfter: Type.String({ description: 'A span, or never.' }),
      rulesOutRate: Type.Optional(Ratio('The rate of bad events that a pass after passAfter rules out.')),
      minRequests: Type.Integer(),
      onLowTraffic: Type.Union([Type.Literal('inconclusive'), Type.Literal('pass')]),
      onUnreached: Type.Union([Type.Literal('inconclusive'), Type.Literal('pass')]),
      window: Type.String({ description: 'rollout, or a span such as 5m.' }),
      maxWindow: Type.String(),
      restartGap: Type.String(),
      warmUp: Type.Optional(Closed(forEverySli(() => Type.Optional(Type.String())))),
      minFaultDuration: Type.String(),
      lag: Type.String(),
    }),
    errorBudgetPolicy: Type.Array(
      Closed({
        below: Type.Number({ description: 'Remaining share of the error budget: 0.5 is half of it.' }),
        action: Type.String(),
        gate: Type.Optional(Rule),
      }),
    ),
    services: Type.Array(
      Closed({
        name: Type.String(),
        env: Type.String(),
        tags: Type.Optional(Type.Record(Type.String(), Type.String())),
        source: Type.String(),
        operation: Type.Optional(Type.String()),
        endpointTag: Type.Optional(
          Type.String({
            description: 'The tag of the spans that tells endpoints apart, with the source spans.',
          }),
        ),
        canary: Type.String({ description: 'The selector template.' }),
        stable: Type.String({ description: 'The selector template, or "the rest".' }),
        sampleRate: Type.Number(),
        dispersion: Type.Optional(
          Type.Number({ description: 'As the registry has it. Absent: estimated from stable.' }),
        ),
      }),
    ),
    endpoints: Type.Array(
      Closed({
        endpoint: Type.String(),
        service: Type.String(),
        resource: Type.String({
          description:
            'The key of the endpoint as the metrics backend stores it (resource_name in Datadog), or * for the whole service.',
        }),
        latencyMs: Type.Optional(Type.Number()),
        failure: Type.Optional(
          Type.String({
            description:
              'What counts as a failure: 5xx, 401; or grpc, or errors. Absent where it is 5XX, or what a source says.',
          }),
        ),
      }),
    ),
    params: Params,
    url: Type.String({ description: 'URL of the verdict.' }),
    environment: Environment,
    queries: Queries,
    registry: Digest,
  },
  {
    $id: 'CujEntry',
    description: 'A CUJ as resolved, with the queries that the gate sends to the metrics backends.',
  },
);
export type CujEntryDocument = Static<typeof CujEntrySchema>;

export const RegistryFailureSchema = Closed(
  {
    at: Type.String({ format: 'date-time' }),
    problems: Type.Array(
      Closed({
        file: Type.String(),
        line: Type.Integer({ minimum: 1 }),
        column: Type.Integer({ minimum: 1 }),
        path: Type.String(),
        rule: Type.String(),
        value: Type.Optional(Type.Unknown()),
        message: Type.String(),
        fix: Type.String(),
      }),
    ),
  },
  {
    $id: 'RegistryFailure',
    description: 'A rejected change of the registry; the previous registry is still used.',
  },
);

export const RegistryStateSchema = Closed(
  {
    summary: Type.String(),
    digest: Digest,
    files: Type.Array(Type.String()),
    loadedAt: Type.String({ format: 'date-time' }),
    cujs: Type.Integer({ minimum: 0 }),
    services: Type.Integer({ minimum: 0 }),
    environments: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Those that this gate answers for. Absent: the registry has none.',
      }),
    ),
    reloadErrors: Type.Integer({ minimum: 0 }),
    lastFailure: Type.Optional(RegistryFailureSchema),
  },
  { $id: 'RegistryState', description: 'The current registry.' },
);
export type RegistryDocument = Static<typeof RegistryStateSchema>;

export const HealthSchema = Closed(
  { summary: Type.String(), ok: Type.Literal(true) },
  { $id: 'Health', description: 'The process is alive.' },
);
export type HealthDocument = Static<typeof HealthSchema>;

export const ReadinessSchema = Closed(
  {
    summary: Type.String(),
    ok: Type.Literal(true),
    registry: Digest,
    problems: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Number of problems in the last rejected change; GET /registry lists them.',
      }),
    ),
  },
  { $id: 'Readiness', description: 'The gate serves requests.' },
);
export type ReadinessDocument = Static<typeof ReadinessSchema>;
