import type { ReadinessDocument } from '../openapi/catalog-schemas.ts';
import type { Phase, RegistryState } from '../server/ports.ts';
import { type ProblemDocument, problem } from '../server/problem.ts';

/** Readiness of this replica: not ready without a registry, nor while it shuts down. */
export function readiness(
  phase: Phase,
  state: RegistryState | undefined,
): ReadinessDocument | ProblemDocument {
  if (phase !== 'serving') return drainingProblem();
  if (state === undefined) return notReadyProblem();
  const ready = { ok: true, registry: state.registry.digest } as const;
  if (state.failure === undefined) return { summary: 'ready', ...ready };
  // This route is open to anyone, so it shows only the number of problems; reading the registry may need a token.
  const problems = state.failure.problems.length;
  const count = `${problems} problem${problems === 1 ? '' : 's'}`;
  return {
    summary: `ready; last registry reload failed (${count}); keeping previous version; GET /registry lists ${problems === 1 ? 'it' : 'them'}`,
    ...ready,
    problems,
  };
}

export function drainingProblem(): ProblemDocument {
  return problem(
    'draining',
    'This replica is shutting down.',
    'Retry: another replica behind the Service will answer.',
  );
}

export function notReadyProblem(): ProblemDocument {
  return problem('not_ready', 'There is no registry.', 'The log lists the problems in its files.');
}

/** What may still be asked of a replica that takes no more questions: it is alive, and it is leaving. */
export const answeredWhileClosing: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);
