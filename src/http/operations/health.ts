import type { ReadinessDocument } from '../openapi/catalog-schemas.ts';
import type { Phase, RegistryState } from '../server/ports.ts';
import { type ProblemDocument, problem } from '../server/problem.ts';

/** Whether this replica should be asked: not without a registry, and not while it is going away. */
export function readiness(
  phase: Phase,
  state: RegistryState | undefined,
): ReadinessDocument | ProblemDocument {
  if (phase !== 'serving') return drainingProblem();
  if (state === undefined) return notReadyProblem();
  const ready = { ok: true, registry: state.registry.digest } as const;
  if (state.failure === undefined) return { summary: 'ready', ...ready };
  // Anyone may ask this: what the problems are is for those who may read the registry.
  const problems = state.failure.problems.length;
  const count = `${problems} problem${problems === 1 ? '' : 's'}`;
  return {
    summary: `ready, with the registry from before: its last change was refused for ${count}; GET /registry has ${problems === 1 ? 'it' : 'them'}`,
    ...ready,
    problems,
  };
}

export function drainingProblem(): ProblemDocument {
  return problem(
    'draining',
    'This replica is shutting down.',
    'Ask again: another replica answers under the same Service.',
  );
}

export function notReadyProblem(): ProblemDocument {
  return problem('not_ready', 'There is no registry.', 'Look at the log for what is wrong with its files.');
}

/** What may still be asked of a replica that takes no more questions: it is alive, and it is leaving. */
export const answeredWhileClosing: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);
