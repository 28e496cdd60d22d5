import type { FastifyRequest } from 'fastify';
import { type EvaluationRequest, paramsOf } from '../../domain/metrics/evaluation-request.ts';
import type { Cuj, Service } from '../../domain/registry/model.ts';
import { anyParams, canaryParams, type Query, readFlag, refuseUnknown } from './query-params.ts';

export const ownOfCuj = ['service', 'window', 'since', 'at', 'explain', 'pretty'] as const;
export const ownOfService = ['window', 'since', 'at', 'explain', 'pretty'] as const;

/** What a request asks, read and found to be well-formed. */
export interface Question {
  readonly explain: boolean;
  readonly pretty: boolean;
  /** The moment in the past, as the caller wrote it; undefined: the question is about now. */
  readonly at: string | undefined;
  readonly evaluationRequest: EvaluationRequest;
}

/** Reads a question about what is called `cuj`, or about a service. Throws CallerError. */
export function readQuestion(
  request: FastifyRequest,
  services: readonly Service[],
  own: readonly string[],
  cuj: string,
): Question {
  const query = request.query as Query;
  if (query.mistake !== undefined) throw query.mistake;
  const { required, optional } = paramsOf(services);
  const params = [...required, ...optional];
  refuseUnknown(query.values.keys(), [...params, ...own], 'query');
  const service = query.values.get('service');
  const window = query.values.get('window');
  const since = query.values.get('since');
  return {
    explain: readFlag(query, 'explain'),
    pretty: readFlag(query, 'pretty'),
    at: query.values.get('at'),
    evaluationRequest: {
      cuj,
      params: canaryParams(query, request.raw, own, params),
      ...(service === undefined ? {} : { service }),
      ...(window === undefined ? {} : { window }),
      ...(since === undefined ? {} : { since }),
    },
  };
}

/**
 * Reads a question about a retired CUJ. It has no selectors any more, so every parameter is accepted: a rollout in flight sends what
 * the CUJ took before. Throws CallerError for flags and for a query that cannot be read.
 */
export function readRetiredQuestion(request: FastifyRequest, { name }: Cuj): Question {
  const query = request.query as Query;
  if (query.mistake !== undefined) throw query.mistake;
  return {
    explain: readFlag(query, 'explain'),
    pretty: readFlag(query, 'pretty'),
    at: query.values.get('at'),
    evaluationRequest: { cuj: name, params: anyParams(query, request.raw, ownOfCuj) },
  };
}
