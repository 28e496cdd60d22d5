import { durationText } from '../domain/duration.ts';
import { percent } from '../domain/judge/number-text.ts';
import { ruleFacts } from '../domain/registry/rules.ts';
import { hourText } from './levels.ts';
import { maxMinutes } from './projection.ts';
import type { Measured, WeightPlan } from './traffic-plan.ts';

/** The share of rollouts with a gap by chance from which on it is reported. */
const unlikely = 0.05;
const longestGapMinutes = 120;

/** Notes of a plan: a service that is below its SLO, and a canary with gaps in its traffic by chance. */
export function notesOf(
  { cuj, sli, value, levels }: Measured,
  { weight, quietest }: Pick<WeightPlan, 'weight' | 'quietest'>,
  /** Requests a minute of the whole service in the CUJ's quietest hour. */
  wholeQuietest: number,
): string[] {
  const notes: string[] = [];
  const { rule, restartGapMs, window } = cuj.gate;
  const { belowObjective } = ruleFacts[rule];
  const objective = cuj.objectives[sli];
  if (objective !== undefined && value !== null && value < objective.ratio && belowObjective !== 'compared') {
    notes.push(
      `It was at ${percent(value)} over the span, below its objective of ${objective.percent}%: an equally good canary ${belowObjective === 'fail' ? 'fails' : `ends ${belowObjective}`} more often than it passes. Fix the service, lower the objective, or use rule: baseline.`,
    );
  }
  if (window === 'rollout') {
    const perMinute = (wholeQuietest * weight) / 100;
    const minutes = Math.min(quietest.minutes ?? maxMinutes(cuj), maxMinutes(cuj));
    const gap = Math.ceil(restartGapMs / 60_000);
    if (perMinute > 0 && silenceChance(perMinute, gap, minutes) > unlikely) {
      let enough = gap;
      while (enough < longestGapMinutes && silenceChance(perMinute, enough, minutes) > unlikely) enough += 1;
      notes.push(
        `Around ${hourText(levels.quietestHour)} the canary of the whole service has no requests for restartGap (${durationText(restartGapMs)}) by chance in some rollouts at ${weight}%, and each gap resets the window: set restartGap: ${durationText(enough * 60_000)}, or pass since.`,
      );
    }
  }
  return notes;
}

/** How likely a Poisson stream is silent for `gap` minutes at least once in so many. (Each request may be a silence's begin.) */
function silenceChance(perMinute: number, gap: number, minutes: number): number {
  if (minutes <= gap) return 0;
  return 1 - Math.exp(-(minutes - gap) * perMinute * Math.exp(-perMinute * gap));
}
