import type { LikelyMistake, ServiceAsWritten } from '../../../domain/registry/source-dialect.ts';
import { nearestNames } from '../../../suggestions/nearest.ts';
import {
  isOutgoing,
  operationOfFramework,
  protocolWithoutStatus,
  servingOperations,
} from './tracer-operations.ts';

const known = new Set(servingOperations);

/** Mistakes in a service that its text shows. None is certain: an agent or an application may be set up in an unusual way. */
export function likelyMistakesOf({ source, operation, canary, stable }: ServiceAsWritten): LikelyMistake[] {
  const found = operation === undefined ? undefined : mistakeInOperation(operation);
  const keys = new Set<string>();
  const inSelectors = (['canary', 'stable'] as const).flatMap((field) =>
    (field === 'canary' ? canary : stable).flatMap((key) => {
      const mistake = keys.has(key) ? undefined : mistakeInTag(field, key, source === 'trace');
      keys.add(key);
      return mistake ?? [];
    }),
  );
  return [...(found === undefined ? [] : [found]), ...inSelectors];
}

function mistakeInOperation(operation: string): LikelyMistake | undefined {
  const field = 'operation';
  if (known.has(operation)) return undefined;
  const protocol = protocolWithoutStatus(operation);
  if (protocol !== undefined) {
    return {
      field,
      rule: 'no-http-status',
      message: `the operation "${operation}" is ${protocol}'s, whose spans have no http.status_code: no failure is a 5XX, so availability never fails, and is inconclusive (status_missing)`,
      fix:
        protocol === 'gRPC'
          ? 'Write failure: grpc in the service: it counts the statuses of gRPC that are the fault of the server.'
          : 'Write failure: errors in the service: it counts the operations that the tracer marks as errors.',
      actual: { kind: 'no-status', ofProtocol: true },
    };
  }
  const likely = operationOfFramework.get(/^([\w-]+)\.request$/.exec(operation)?.[1] ?? '');
  if (likely !== undefined) {
    return {
      field,
      rule: 'operation-of-no-tracer',
      message: `Datadog's tracers set no operation "${operation}": this framework's requests are ${likely}`,
      fix: `Write operation: ${likely}. If the application names its spans itself, keep it.`,
      actual: { kind: 'operation', operation: likely },
    };
  }
  if (isOutgoing(operation)) {
    return {
      field,
      rule: 'operation-of-outgoing-calls',
      message: `the operation "${operation}" is that of calls which the service makes, not of requests that it serves`,
      fix: 'Write the operation of the span that serves requests, such as http.request for Go, express.request for Express, servlet.request for Java. cuj-gate doctor finds it.',
      actual: { kind: 'no-status' },
    };
  }
  const [near] = nearestNames(operation, servingOperations, { max: 1, maxEdits: editsOf });
  if (near === undefined) return undefined;
  return {
    field,
    rule: 'operation-misspelt',
    message: `Datadog's tracers set no operation "${operation}", and ${near} is nearly the same`,
    fix: `Did you mean ${near}? If the application names its spans itself, keep it.`,
    actual: { kind: 'operation', operation: near },
  };
}

/** Two letters of a long name; of a short one, such as koa.request, one: two of its letters make another framework. */
function editsOf(length: number): number {
  return length < 'http.request'.length ? 1 : 2;
}

const hashLabels = new Set(['rollouts-pod-template-hash', 'pod-template-hash']);

function mistakeInTag(field: 'canary' | 'stable', key: string, isTraced: boolean): LikelyMistake | undefined {
  const actual = { kind: 'no-tag', key } as const;
  if (hashLabels.has(key)) {
    return {
      field,
      rule: 'label-is-no-tag',
      message: `"${key}" is a label of the pods, which Datadog does not make a tag by itself: the ${field} selector most likely matches nothing`,
      fix: `Let DD_VERSION be the label (fieldRef: metadata.labels['rollouts-pod-template-hash']), and select by version:{version}. Otherwise map it in the agent (podLabelsAsTags: { ${key}: pod_template_hash })${isTraced ? ', make pod_template_hash an additional primary tag, because trace metrics have no others,' : ''} and select by pod_template_hash.`,
      actual,
    };
  }
  if (/^tags\.datadoghq\.com\/(version|env|service)$/.test(key)) {
    const tag = key.slice(key.indexOf('/') + 1);
    return {
      field,
      rule: 'label-is-no-tag',
      message: `"${key}" is a label of the pods; Datadog's tag that is made of it is ${tag}`,
      fix: `Select by ${tag}: in place of ${key}:.`,
      actual,
    };
  }
  return undefined;
}
