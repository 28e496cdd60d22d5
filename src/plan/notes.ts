import { percent } from '../domain/judge/number-text.ts';
import { ruleFacts } from '../domain/registry/rules.ts';
import type { Measured } from './traffic-plan.ts';

/** Of the requests that an objective allows to be bad: where more are unclassified, a verdict is mostly inconclusive. */
const unclassifiedPart = 1 / 4;

/** Notes of a plan: a service that is below its SLO, or of whose requests too little is known. */
export function notesOf(of: Measured): string[] {
  return [...unclassifiedNote(of), ...objectiveNote(of)];
}

function unclassifiedNote({ cuj, sli, unclassified }: Measured): string[] {
  const objective = cuj.objectives[sli];
  if (objective === undefined || unclassified <= unclassifiedPart * (1 - objective.ratio)) return [];
  return [
    `Of ${percent(unclassified)} of its requests it is unknown whether they were bad: a verdict is inconclusive where they could change it, and a pass may never come. cuj-gate doctor finds what is missing.`,
  ];
}

function objectiveNote({ cuj, sli, value }: Measured): string[] {
  const { belowObjective } = ruleFacts[cuj.gate.rule];
  const objective = cuj.objectives[sli];
  if (objective === undefined || value === null || value >= objective.ratio) return [];
  if (belowObjective === 'compared') return [];
  return [
    `It was at ${percent(value)} over the span, below its objective of ${objective.percent}%: an equally good canary ${belowObjective === 'fail' ? 'fails' : `ends ${belowObjective}`} more often than it passes. Fix the service, lower the objective, or use rule: baseline.`,
  ];
}
