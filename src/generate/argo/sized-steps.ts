import { durationMs } from '../../domain/duration.ts';

/** What decides how long an inline analysis step measures. */
interface GateOptions {
  readonly interval: string;
  readonly count: number;
  readonly passes: number;
}

/** The first steps of a Rollout. Minutes from the first weight on. */
export interface Steps {
  /** Percent. */
  readonly weight: number;
  readonly pauseMinutes: number;
}

/** Steps that are sized to a service's traffic. */
export interface SizedSteps extends Steps {
  /** By the name of a CUJ: until the inline analysis step measures the first of its passes, at the latest. */
  readonly waitMinutes: ReadonlyMap<string, number>;
  /** Names of CUJs that cannot pass in time: they have no inline analysis step. */
  readonly watchedOnly: ReadonlySet<string>;
  /** Sentences for the comment at the steps: what they are sized for. */
  readonly sizedFor: readonly string[];
  readonly warnings: readonly string[];
}

/** The steps of a Rollout whose traffic is unknown. */
export const sampleSteps: Steps = { weight: 25, pauseMinutes: 5 };

/** How long the sample's inline analysis step waits for the first of its passes, from the first weight on. */
export function sampleWaitMinutes({ interval, count, passes }: GateOptions): number {
  return sampleSteps.pauseMinutes + ((count - passes) * (durationMs(interval) ?? 0)) / 60_000;
}

/** The maximum number of measurements of an inline analysis step about some CUJs in rollouts of some services. */
export function countFor(
  cujs: readonly string[],
  services: readonly string[],
  { interval, count, passes, steps }: GateOptions & { readonly steps: ReadonlyMap<string, SizedSteps> },
): number {
  const everyMs = durationMs(interval) ?? 60_000;
  const needed = services.flatMap((service) => {
    const sized = steps.get(service);
    return cujs.flatMap((cuj) => {
      const wait = sized?.waitMinutes.get(cuj);
      return sized === undefined || wait === undefined
        ? []
        : [Math.ceil(((wait - sized.pauseMinutes) * 60_000) / everyMs - 1e-9) + passes];
    });
  });
  return Math.max(count, ...needed);
}
