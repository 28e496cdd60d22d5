import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import Type, { type TSchema } from 'typebox';
import { paramsOf } from '../../domain/metrics/evaluation-request.ts';
import { environmentParam } from '../../domain/registry/selector.ts';
import { NotJudgedSchema } from '../auth/auth-unavailable.ts';
import type { RegistryState } from '../server/ports.ts';
import { jsonText } from '../server/problem.ts';
import { defaultLimit, maxLimit } from '../status/query-params.ts';
import {
  CujEntrySchema,
  CujListSchema,
  HealthSchema,
  ReadinessSchema,
  RegistryFailureSchema,
  RegistryStateSchema,
  RetiredCujSchema,
} from './catalog-schemas.ts';
import {
  ProblemSchema,
  RecomputedSchema,
  RecomputedServiceSchema,
  ServiceVerdictSchema,
  VerdictSchema,
} from './verdict-schemas.ts';

/** The description of every route, for tools. It validates no request. */

export const sharedSchemas: readonly TSchema[] = [
  VerdictSchema,
  ServiceVerdictSchema,
  RecomputedSchema,
  RecomputedServiceSchema,
  CujListSchema,
  CujEntrySchema,
  RetiredCujSchema,
  RegistryStateSchema,
  RegistryFailureSchema,
  HealthSchema,
  ReadinessSchema,
  ProblemSchema,
  NotJudgedSchema,
];

/** `authenticated`: whether a bearer token is required. */
export const swaggerOptions = (authenticated: boolean): FastifyDynamicSwaggerOptions => ({
  mode: 'dynamic',
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'cuj-gate',
      version: '1',
      description:
        'Judges canary releases by Critical User Journeys. Verdicts, including inconclusive ones, are 200. Invalid requests are 4xx. Every response except /metrics is a JSON object, unless a browser asks: see docs/pages.md.',
    },
    tags: [
      { name: 'verdicts', description: 'Verdicts for Argo Rollouts.' },
      { name: 'registry', description: 'CUJs and registry.' },
      { name: 'operations', description: 'Health and metrics.' },
    ],
    ...(authenticated
      ? {
          components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
          security: [{ bearer: [] }],
        }
      : {}),
  },
  refResolver: {
    buildLocalReference: (schema, _base, _fragment, i) =>
      typeof schema.$id === 'string' ? schema.$id : `schema-${i}`,
  },
});

const flag = (description: string) =>
  Type.Optional(Type.Enum(['', '1', 'true', '0', 'false'], { type: 'string', description }));
const pretty = flag('Indents the response by two spaces.');
const question = {
  window: Type.Optional(
    Type.String({
      pattern: '^(rollout|[1-9][0-9]{0,4}(s|m|h|d))$',
      description:
        "rollout, or a span in whole minutes such as 5m, instead of the registry's; the minute that has begun is added. At least 2m (more with a longer minFaultDuration), with the rule strict 1m.",
    }),
  ),
  since: Type.Optional(
    Type.String({
      description: 'When the rollout began: RFC 3339 or epoch seconds.',
      examples: ['2026-01-31T09:00:00Z'],
    }),
  ),
  at: Type.Optional(
    Type.String({
      format: 'date-time',
      description:
        'A moment in the past: the answer is what is known now about it (Recomputed). Never use it in an AnalysisTemplate.',
      examples: ['2026-01-31T09:00:00Z'],
    }),
  ),
  explain: flag('Adds the queries and the complete measurement.'),
  pretty,
};
const cujName = Type.Object({
  name: Type.String({ description: 'The name of a CUJ, or an alias of it.', examples: ['login'] }),
});

type Responses = Record<string, unknown>;

const json = (description: string, name: string) => ({
  description,
  content: { 'application/json': { schema: Type.Ref(name) } },
});
const judged = (description: string, name: string, past: string) => ({
  description,
  content: {
    'application/json': { schema: Type.Union([Type.Ref(name), Type.Ref(past), Type.Ref('NotJudged')]) },
  },
});
const refusal = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: Type.Ref('Problem') } },
});
const always: Responses = {
  400: refusal('Invalid request: an unknown, missing, repeated or malformed parameter.'),
  401: refusal('The bearer token is missing or not valid.'),
  414: refusal('The URL, or a name in it, is too long.'),
  431: refusal('Request line and headers are more than 16 KiB.'),
  500: refusal('Internal error of the gate.'),
  503: refusal(
    'This replica is shutting down, has no registry, or cannot verify tokens (status routes then respond 200, inconclusive).',
  ),
};
const limited: Responses = {
  429: refusal('This caller exceeds its rate limit (status routes then respond 200, inconclusive).'),
};
const pastOnly: Responses = {
  403: refusal(
    'With `at`: the gate does not know the caller, and CUJ_GATE_ALLOW_UNAUTHENTICATED_PAST is not set.',
  ),
  429: refusal('With `at`: too many questions about the past wait for an answer.'),
};
const unknownCuj: Responses = { 404: refusal('No CUJ has this name or alias; the nearest names are given.') };

export const describe = {
  cujStatus: {
    operationId: 'getCujStatus',
    tags: ['verdicts'],
    summary: 'The verdict on one CUJ',
    description:
      "The selector's parameters, such as version, are query parameters or headers X-Canary-<Param>; a header needs no URL encoding.",
    params: cujName,
    querystring: Type.Object({
      service: Type.Optional(Type.String({ description: 'Only the endpoints of this service.' })),
      ...question,
    }),
    response: {
      200: judged('The verdict: pass, fail or inconclusive. With `at`: Recomputed.', 'Verdict', 'Recomputed'),
      ...always,
      ...unknownCuj,
      ...pastOnly,
    },
  },
  serviceStatus: {
    operationId: 'getServiceStatus',
    tags: ['verdicts'],
    summary: 'All enforced CUJs of a service, ANDed',
    params: Type.Object({ service: Type.String({ description: 'A service of the registry.' }) }),
    querystring: Type.Object(question),
    response: {
      200: judged(
        'The worst verdict, and the summary of each CUJ. With `at`: RecomputedService.',
        'ServiceVerdict',
        'RecomputedService',
      ),
      ...always,
      404: refusal('No service has this name; the nearest names are given.'),
      ...pastOnly,
    },
  },
  cujs: {
    operationId: 'listCujs',
    tags: ['registry'],
    summary: 'All CUJs, one page at a time',
    querystring: Type.Object({
      limit: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: maxLimit,
          description: `CUJs per page; ${defaultLimit} by default.`,
        }),
      ),
      after: Type.Optional(
        Type.String({ description: 'The name of the last CUJ of the previous page, as in `next`.' }),
      ),
      pretty,
    }),
    response: { 200: json('The CUJs, in the order of the registry.', 'CujList'), ...always, ...limited },
  },
  cuj: {
    operationId: 'getCuj',
    tags: ['registry'],
    summary: 'One CUJ as resolved, with its queries to the metrics backends',
    params: cujName,
    querystring: Type.Object({ pretty }),
    response: {
      200: {
        description: 'The CUJ, or what is left of a retired one.',
        content: {
          'application/json': { schema: Type.Union([Type.Ref('CujEntry'), Type.Ref('RetiredCuj')]) },
        },
      },
      ...always,
      ...limited,
      ...unknownCuj,
    },
  },
  registry: {
    operationId: 'getRegistry',
    tags: ['registry'],
    summary: 'The current registry, and the problems of the last change if it was rejected',
    querystring: Type.Object({ pretty }),
    response: { 200: json('The current registry.', 'RegistryState'), ...always, ...limited },
  },
  metrics: {
    operationId: 'getMetrics',
    tags: ['operations'],
    summary: "The gate's own metrics for Prometheus",
    response: {
      200: {
        description: 'Prometheus text format.',
        content: { 'text/plain': { schema: Type.String() } },
      },
    },
  },
  healthz: {
    operationId: 'getHealth',
    tags: ['operations'],
    security: [],
    summary: 'Whether the process is alive',
    response: { 200: json('Alive.', 'Health') },
  },
  readyz: {
    operationId: 'getReadiness',
    tags: ['operations'],
    security: [],
    summary: 'Readiness of this replica',
    querystring: Type.Object({ pretty }),
    response: { 200: json('Ready.', 'Readiness'), ...always },
  },
  openapi: {
    operationId: 'getOpenApi',
    tags: ['operations'],
    summary: 'This description',
    querystring: Type.Object({ pretty }),
    response: {
      200: {
        description: 'OpenAPI 3.1.',
        content: { 'application/json': { schema: Type.Object({}) } },
      },
      ...always,
      ...limited,
    },
  },
};

interface Operation {
  parameters?: object[];
}
interface OpenApiDocument {
  readonly paths?: Readonly<Record<string, { get?: Operation } | undefined>>;
}

/**
 * The document for a registry, as sent. Its selectors' parameters are parameters of the status routes. They are
 * optional, since which of them are required depends on the CUJ. The document is rendered once per registry, since it is long.
 */
export function createOpenApi(
  base: () => object,
): (state: RegistryState | undefined, pretty: boolean) => Buffer {
  const made = new WeakMap<object, [plain?: Buffer, pretty?: Buffer]>();
  const noRegistry = {};
  return (state, pretty) => {
    const key = state?.registry ?? noRegistry;
    const bodies = made.get(key) ?? [];
    made.set(key, bodies);
    const at = pretty ? 1 : 0;
    bodies[at] ??= Buffer.from(jsonText(state === undefined ? base() : withParams(base(), state), pretty));
    return bodies[at];
  };
}

/** The route is about one environment, and takes its name. */
function isInEnvironment(path: string): boolean {
  return path.startsWith('/cujs') || path.endsWith('/status');
}

function withParams(base: object, { registry, environments = [] }: RegistryState): object {
  const document = structuredClone(base) as OpenApiDocument;
  const { required, optional } = paramsOf([...registry.services.values()]);
  const parameters = [...required, ...optional].map((name) => ({
    name,
    in: 'query',
    required: false,
    description:
      "Fills the selectors' {placeholder} of this name. With quotes, brackets, commas, wildcards or other scripts: 400.",
    schema: { type: 'string', minLength: 1, maxLength: 200, pattern: '^[A-Za-z0-9]' },
  }));
  const environment = {
    name: environmentParam,
    in: 'query',
    // A gate that answers for one alone needs no name.
    required: environments.length > 1,
    description: 'The environment of the registry that the question is about.',
    schema: { type: 'string', enum: environments },
  };
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    if (environments.length > 0 && isInEnvironment(path) && item?.get !== undefined)
      item.get.parameters = [...(item.get.parameters ?? []), environment];
    if (path.endsWith('/status') && item?.get !== undefined) {
      item.get.parameters = [...(item.get.parameters ?? []), ...parameters];
    }
  }
  return document;
}
