import type { SourceErrorCode } from '../../domain/errors.ts';
import { unknownVerdict, type Verdict } from '../../domain/judge/judge.ts';
import { judgeService, type ServiceVerdict } from '../../domain/judge/judge-service.ts';
import { type EvaluationRequest, resolveRequest } from '../../domain/metrics/evaluation-request.ts';
import type { Registry } from '../../domain/registry/model.ts';
import { findCuj, type ServiceRequest, serviceNotFound } from '../../evaluation/evaluator.ts';

/** Why a question gets no measurement, in words for the summary. */
export interface Failure {
  readonly reason: SourceErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** What is said about a CUJ that could not be measured in time. Throws CallerError for the caller's own mistakes. */
export function unknownCuj(registry: Registry, ask: EvaluationRequest, failure: Failure): Verdict {
  const cuj = findCuj(registry, ask.cuj);
  const checked = resolveRequest(registry, cuj, ask);
  return unknownVerdict(cuj, failure, checked.selectorTexts, {
    registryDigest: registry.digest,
    ...(checked.service === undefined ? {} : { service: checked.service }),
  });
}

/** The same about all CUJs of a service. */
export function unknownService(registry: Registry, ask: ServiceRequest, failure: Failure): ServiceVerdict {
  if (!registry.services.has(ask.service)) throw serviceNotFound(registry, ask.service);
  const verdicts = [...registry.cujs.values()]
    .filter((cuj) => cuj.services.includes(ask.service))
    .map((cuj) => unknownCuj(registry, { ...ask, cuj: cuj.name }, failure));
  return judgeService(ask.service, registry.digest, verdicts);
}
