import type { SourceErrorCode } from '../../domain/errors.ts';
import { unknownVerdict, type Verdict } from '../../domain/judge/judge.ts';
import { judgeService, type ServiceVerdict } from '../../domain/judge/judge-service.ts';
import { type EvaluationRequest, resolveRequest } from '../../domain/metrics/evaluation-request.ts';
import { isJudgedInReleaseOf, type Registry } from '../../domain/registry/model.ts';
import { findCuj, type ServiceRequest, serviceNotFound } from '../../evaluation/evaluator.ts';

/** Why a question gets no measurement, in words for the summary. */
export interface Failure {
  readonly reason: SourceErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** What is said about a CUJ that could not be measured in time. Throws CallerError for the caller's own mistakes. */
export function unknownCuj(registry: Registry, request: EvaluationRequest, failure: Failure): Verdict {
  const cuj = findCuj(registry, request.cuj);
  if (cuj.retired !== undefined)
    return unknownVerdict(cuj, failure, { canary: '', stable: '' }, { registryDigest: registry.digest });
  const checked = resolveRequest(registry, cuj, request);
  return unknownVerdict(cuj, failure, checked.selectorTexts, {
    registryDigest: registry.digest,
    ...(registry.environment === undefined ? {} : { environment: registry.environment }),
    ...(checked.service === undefined ? {} : { service: checked.service }),
  });
}

/** The same about all CUJs of a service. */
export function unknownService(
  registry: Registry,
  request: ServiceRequest,
  failure: Failure,
): ServiceVerdict {
  if (!registry.services.has(request.service)) throw serviceNotFound(registry, request.service);
  const verdicts = [...registry.cujs.values()]
    .filter((cuj) => isJudgedInReleaseOf(cuj, request.service))
    .map((cuj) => unknownCuj(registry, { ...request, cuj: cuj.name }, failure));
  return judgeService(request.service, registry.digest, verdicts);
}
