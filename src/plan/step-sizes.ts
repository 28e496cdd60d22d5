import { plain } from '../domain/judge/number-text.ts';
import { hourText } from './levels.ts';
import { maxMinutes, minutesToPass } from './projection.ts';
import type { AssumedTraffic } from './traffic-plan.ts';

/**
 * Steps sized to the traffic of a service. A busy service gets a shorter pause; a thin one a longer one, an inline analysis step that
 * waits longer, and then a higher weight. What cannot be proved even so is watched only.
 */

/** The steps of a Rollout whose traffic is unknown. Minutes from the switch to the weight on. */
export interface SampleSteps {
  /** Percent. */
  readonly weight: number;
  readonly pauseMinutes: number;
  /** Until the inline analysis step measures the first of the passes that it needs, at the latest. */
  readonly waitMinutes: number;
}

export interface StepSizes {
  /** Percent. */
  readonly weight: number;
  readonly pauseMinutes: number;
  /** By the name of a CUJ: until the inline analysis step measures the first of its passes, at the latest. */
  readonly waitMinutes: ReadonlyMap<string, number>;
  /** Names of enforced CUJs that cannot pass in time. */
  readonly watchedOnly: ReadonlySet<string>;
  /** What the steps are sized for, each a sentence. */
  readonly sizedFor: readonly string[];
  /** Which CUJs do not pass, or not at any hour, and what to do; each a sentence or two. */
  readonly warnings: readonly string[];
}

/** Half of the users are the most that a canary gets before it has passed. */
export const highestFirstWeight = 50;

/** After an hour, people promote by hand. */
export const longestWaitMinutes = 60;

/** With the passes in a row, four minutes: long enough for the background analysis to find a fault that begins with the release. */
const minPauseMinutes = 3;

/** The inline analysis step waits as well, and passes as soon as it can. */
const maxPauseMinutes = 30;

/** Chance, and one failed request, take up to twice as many requests. */
const margin = 2;

/** Of the CUJs of one service; undefined where none is enforced. `all` has every SLI of every CUJ. */
export function stepSizes(all: readonly AssumedTraffic[], sample: SampleSteps): StepSizes | undefined {
  const cujs = cujsOf(all.filter(({ cuj }) => cuj.mode === 'enforce'));
  if (cujs.length === 0) return undefined;
  const waiting = cujs.filter(({ passesUnproven }) => !passesUnproven);
  const hopeless = waiting.filter((cuj) => cuj.minutes('median', highestFirstWeight) > longestWaitMinutes);
  const proving = waiting.filter((cuj) => !hopeless.includes(cuj));
  const weight =
    [sample.weight, highestFirstWeight].find((percent) =>
      proving.every((cuj) => cuj.minutes('median', percent, margin) <= longestWaitMinutes),
    ) ?? highestFirstWeight;
  const first = Math.max(0, ...proving.map((cuj) => cuj.minutes('median', weight)));
  // A CUJ with onLowTraffic: pass passes at once: it is watched for as long as in the sample, at least.
  const least = waiting.length < cujs.length || proving.length === 0 ? sample.pauseMinutes : minPauseMinutes;
  // No pass is possible much sooner: until then, the inline analysis step would only be inconclusive.
  const pauseMinutes = Math.min(maxPauseMinutes, Math.max(least, Math.ceil(first) - 1));
  const shortest = pauseMinutes + sample.waitMinutes - sample.pauseMinutes;
  const waitMinutes = new Map(
    proving.map((cuj) => [
      cuj.name,
      Math.max(shortest, Math.min(longestWaitMinutes, Math.ceil(cuj.minutes('quietest', weight, margin)))),
    ]),
  );
  const slowest = proving.find((cuj) => cuj.minutes('median', weight) === first);
  return {
    weight,
    pauseMinutes,
    waitMinutes,
    watchedOnly: new Set(hopeless.map(({ name }) => name)),
    sizedFor:
      slowest === undefined
        ? []
        : [
            `Sized for ${slowest.name}, which takes longest: ${slowest.traffic}, canary and stable together.`,
            `Without failures it passes ${Math.ceil(first)} minutes after the first weight, or soon after; the inline analysis step waits until minute ${Math.ceil(Math.max(...waitMinutes.values()))}.`,
          ],
    warnings: [
      ...hopeless.map((cuj) =>
        cuj.hasTraffic
          ? `${cuj.name} has ${cuj.traffic}: ${passText(cuj.minutes('median', highestFirstWeight))} at ${highestFirstWeight}%, and ${longestWaitMinutes} minutes are the limit. Set mode: observe or onLowTraffic: pass, or join it with another CUJ.`
          : `${cuj.name} has no requests in more than half of the hours. Check its endpoints with cuj-gate doctor.`,
      ),
      ...proving
        .filter((cuj) => cuj.minutes('quietest', weight) > longestWaitMinutes)
        .map(
          (cuj) =>
            `${cuj.name} has ${cuj.traffic}: in the quietest hour, ${passText(cuj.minutes('quietest', weight))} at ${weight}%, and the rollout pauses for a person before. Release at another time, or set onLowTraffic: pass.`,
        ),
    ],
  };
}

function passText(minutes: number): string {
  return Number.isFinite(minutes) ? `a pass takes ${Math.ceil(minutes)} minutes` : 'no pass is possible';
}

interface SizedCuj {
  readonly name: string;
  readonly passesUnproven: boolean;
  readonly hasTraffic: boolean;
  /** For people: what it has of requests. */
  readonly traffic: string;
  /**
   * From the switch to a weight (percent) until a clean canary passes, the lag of the data included, if it needs so many times the
   * requests; Infinity where that is more than one measurement covers.
   */
  minutes(level: 'median' | 'quietest', weight: number, times?: number): number;
}

/** Every CUJ once: with the SLI that takes longest. */
function cujsOf(all: readonly AssumedTraffic[]): readonly SizedCuj[] {
  return [...new Set(all.map(({ cuj }) => cuj))].map((cuj) => {
    const slis = all.filter((one) => one.cuj === cuj);
    return {
      name: cuj.name,
      passesUnproven: cuj.gate.onLowTraffic === 'pass',
      hasTraffic: slis.some(({ levels }) => levels.median > 0),
      traffic: trafficText(slis[0] as AssumedTraffic),
      minutes: (level, weight, times = 1) =>
        Math.max(
          ...slis.map(({ need, levels }) => {
            const minutes = minutesToPass(need, (levels[level] * weight) / 100 / times);
            return minutes <= maxMinutes(cuj) ? minutes + cuj.gate.lagMs / 60_000 : Number.POSITIVE_INFINITY;
          }),
        ),
    };
  });
}

function trafficText({ levels: { median, quietest, quietestHour } }: AssumedTraffic): string {
  const text = `${plain(median)} ${median === 1 ? 'request' : 'requests'} a minute`;
  return quietestHour === undefined
    ? text
    : `${text} in the median hour and ${plain(quietest)} in the quietest (${hourText(quietestHour)})`;
}
