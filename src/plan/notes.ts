import { percent } from '../domain/judge/number-text.ts';
import { ruleFacts } from '../domain/registry/rules.ts';
import type { Measured } from './traffic-plan.ts';

/** Notes of a plan: a service that is below its SLO. */
export function notesOf({ cuj, sli, value }: Measured): string[] {
  const { belowObjective } = ruleFacts[cuj.gate.rule];
  const objective = cuj.objectives[sli];
  if (objective === undefined || value === null || value >= objective.ratio) return [];
  if (belowObjective === 'compared') return [];
  return [
    `It was at ${percent(value)} over the span, below its objective of ${objective.percent}%: an equally good canary ${belowObjective === 'fail' ? 'fails' : `ends ${belowObjective}`} more often than it passes. Fix the service, lower the objective, or use rule: baseline.`,
  ];
}
