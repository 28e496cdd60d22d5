import { durationText } from '../domain/duration.ts';
import { percent } from '../domain/judge/number-text.ts';
import { ruleFacts } from '../domain/registry/rules.ts';
import { hourText } from './levels.ts';
import { maxMinutes } from './projection.ts';
import type { Measured, WeightPlan } from './traffic-plan.ts';

/** A silence that comes by chance in more rollouts than this is worth a word. */
const unlikely = 0.05;
const longestGapMinutes = 120;

/** What a plan must not be silent about: a service that lives below its SLO, and a canary that falls silent by chance. */
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
      `Over all of the span it was at ${percent(value)}, below its objective of ${objective.percent}%: a canary just as good ${belowObjective === 'fail' ? 'fails' : `ends ${belowObjective}`} more often than it passes. Mend it, lower the objective, or judge it by rule: baseline.`,
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
        `Around ${hourText(levels.quietestHour)} the canary of the whole service is silent for restartGap (${durationText(restartGapMs)}) by chance in some rollouts at ${weight}%, and each silence begins the window again: set restartGap: ${durationText(enough * 60_000)}, or let the caller give since.`,
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
