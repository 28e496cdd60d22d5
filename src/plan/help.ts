import { durationText } from '../domain/duration.ts';
import { plain } from '../domain/judge/number-text.ts';
import type { GatePolicy } from '../domain/registry/model.ts';
import { ruleFacts } from '../domain/registry/rules.ts';
import { upperBound } from '../domain/statistics/clopper-pearson.ts';
import { hourText } from './levels.ts';
import { maxMinutes, minRequestsOfPass, minutesToPass, passNeed } from './projection.ts';
import { highestFirstWeight, longestWaitMinutes } from './step-sizes.ts';
import type { Measured, WeightPlan } from './traffic-plan.ts';

/** The registry's maximum of each. */
const longestWindowMinutes = 1_440;
const highestBurn = 1_000;
const highestRulesOutRate = 0.5;

/**
 * What would make a CUJ judgeable at the weight, or let it pass before `waitMinutes`, each as one sentence: for its quietest hour
 * if only that is too quiet, otherwise for its median. Empty where nothing is missing.
 */
export function helpFor(
  one: Measured,
  all: readonly Measured[],
  plan: WeightPlan,
  waitMinutes: number,
): string[] {
  const { judgeable, median, quietest } = plan;
  const isJudged = judgeable === 'always' || judgeable === 'by_day';
  if (isJudged && !median.inTime) return helpInTime(one, plan.weight, false, waitMinutes);
  if (judgeable !== 'always') return helpToJudge(one, all, plan);
  return quietest.inTime ? [] : helpInTime(one, plan.weight, true, waitMinutes);
}

/** What lets a pass come before `waitMinutes`, in the quietest hour (`night`) or the median one, in which it comes at all. */
function helpInTime(one: Measured, weight: number, night: boolean, waitMinutes: number): string[] {
  const { cuj, service, need } = one;
  const level = levelOf(one, night);
  const lagMinutes = cuj.gate.lagMs / 60_000;
  const minutesAt = (percent: number) => minutesToPass(need, (level * percent) / 100) + lagMinutes;
  const help: string[] = [];
  const enough = Array.from({ length: 100 }, (_, i) => i + 1).find(
    (percent) => percent > weight && minutesAt(percent) <= waitMinutes,
  );
  if (enough !== undefined) help.push(`A weight of ${enough}% or more.`);
  if (minutesAt(highestFirstWeight) <= longestWaitMinutes) {
    help.push(
      `Steps sized to the traffic: cuj-gate generate rollout analysis-templates --requests-per-minute ${service.name}=${plain(level)}. The inline analysis step then waits for up to ${longestWaitMinutes} minutes.`,
    );
  }
  const passAfter = Math.floor(waitMinutes - lagMinutes);
  if (need.limited !== undefined && passAfter >= 1 && need.limited.minutes > passAfter) {
    help.push(`passAfter: ${passAfter}m: it is longer than the inline analysis step waits.`);
  }
  return [...help, ...withoutProof(one, night)];
}

/** What lets rollouts go on that have no pass by traffic. */
function withoutProof({ cuj, levels }: Measured, night: boolean): string[] {
  const help: string[] = [];
  if (night) help.push(`Rollouts at another time than around ${hourText(levels.quietestHour)}.`);
  if (cuj.gate.onLowTraffic !== 'pass')
    help.push('onLowTraffic: pass: it passes unproven; demonstrable failures still abort.');
  if (!night && cuj.mode === 'enforce')
    help.push('mode: observe: it is judged and shown, and neither holds back nor aborts a rollout.');
  return help;
}

function helpToJudge(
  one: Measured,
  all: readonly Measured[],
  { weight, judgeable }: Pick<WeightPlan, 'weight' | 'judgeable'>,
): string[] {
  const { cuj, service } = one;
  const need = minRequestsOfPass(one.need);
  const night = judgeable === 'by_day';
  const level = night ? one.levels.quietest : one.levels.median;
  const perMinute = (level * weight) / 100;
  if (one.levels.median <= 0) {
    return [
      `${service.name} had no requests on it in more than half of the hours: check its endpoints with cuj-gate doctor.`,
    ];
  }
  if (need === null)
    return ['It cannot pass with any number of requests: stable has no traffic to compare with.'];
  const windowMinutes = maxMinutes(cuj);
  const available = perMinute * windowMinutes;
  const help: string[] = [];
  const percent = Math.ceil((need / (level * windowMinutes)) * 100 - 1e-9);
  if (percent > weight && percent <= 100) help.push(`A weight of ${percent}% or more.`);
  const minutes = minutesToPass(one.need, perMinute);
  if (minutes <= longestWindowMinutes) {
    help.push(
      cuj.gate.window === 'rollout'
        ? `maxWindow: ${windowText(minutes)}, and a pause as long.`
        : `window: rollout with maxWindow: ${windowText(minutes)}: a fixed window of ${durationText(cuj.gate.window)} has no more traffic.`,
    );
  }
  const scale = service.sampleRate / (service.dispersion ?? 1);
  const helps = (gate: Partial<GatePolicy>) => {
    const changed = { ...one, cuj: { ...cuj, gate: { ...cuj.gate, ...gate } } };
    return (minRequestsOfPass(passNeed(changed, level)) ?? Number.POSITIVE_INFINITY) <= available;
  };
  if (ruleFacts[cuj.gate.rule].usesUpperBound) {
    const budget = cuj.objectives[one.sli]?.budget as number;
    const burn = Math.ceil((upperBound(available * scale, 0) / budget) * 10 + 1e-9) / 10;
    if (burn > cuj.gate.ruleOutBurn && burn <= highestBurn && helps({ ruleOutBurn: burn })) {
      help.push(`ruleOutBurn: ${plain(burn)}: a pass then rules out only this burn rate.`);
    }
  }
  const minRequests = Math.floor(available * service.sampleRate);
  const fewerHelp = cuj.gate.minRequests > minRequests && helps({ minRequests });
  if (fewerHelp) {
    help.push(
      `minRequests: ${minRequests} or less: ${cuj.gate.minRequests} is more than arrives in that time.`,
    );
  }
  const rulesOutRate = Math.ceil(upperBound(Math.floor(available) * scale, 0) * 1_000 + 1e-9) / 1_000;
  if (one.need.limited !== undefined && !fewerHelp && rulesOutRate <= highestRulesOutRate) {
    const setting = `rulesOutRate: ${plain(rulesOutRate * 100)}`;
    const meaning = 'a pass with limited evidence then rules out only this failure rate.';
    if (helps({ rulesOutRate })) help.push(`${setting}: ${meaning}`);
    else if (helps({ rulesOutRate, minRequests })) {
      help.push(`${setting} together with minRequests: ${minRequests}, neither alone: ${meaning}`);
    }
  }
  const partner = partnerOf(one, all, need / (windowMinutes * (weight / 100)), night);
  if (partner !== undefined) {
    help.push(
      `Joined with ${partner.cuj.name} (${plain(levelOf(partner, night))} requests per minute) in one CUJ; each endpoint keeps its own evidence.`,
    );
  }
  return [...help, ...withoutProof(one, night)];
}

function levelOf({ levels }: Measured, night: boolean): number {
  return night ? levels.quietest : levels.median;
}

/** The CUJ of the same service and objective with just enough traffic for what is missing; the same owner first. */
function partnerOf(
  one: Measured,
  all: readonly Measured[],
  wanted: number,
  night: boolean,
): Measured | undefined {
  const { cuj, service, sli } = one;
  return all
    .filter(
      (other) =>
        other.cuj !== cuj &&
        other.cuj.services.length === 1 &&
        cuj.services.length === 1 &&
        other.service === service &&
        other.sli === sli &&
        other.cuj.objectives[sli]?.percent === cuj.objectives[sli]?.percent &&
        levelOf(one, night) + levelOf(other, night) >= wanted,
    )
    .sort(
      (a, b) =>
        Number(b.cuj.owner === cuj.owner) - Number(a.cuj.owner === cuj.owner) ||
        levelOf(a, night) - levelOf(b, night),
    )[0];
}

/** Rounded up to half an hour, in the registry's format. */
function windowText(minutes: number): string {
  return durationText(Math.min(longestWindowMinutes, Math.ceil(minutes / 30) * 30) * 60_000);
}
