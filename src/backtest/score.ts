import type { RolloutReplay } from './replay.ts';

/** The score of the gate, or of a plain threshold, against versions that are known to be bad. */
export interface Score {
  /** Named as bad, and aborted. */
  readonly caught: readonly string[];
  /** Named as bad, and not aborted: passed or inconclusive. */
  readonly missed: readonly string[];
  /** Not named, and aborted. */
  readonly falselyAborted: readonly string[];
  /** Not named, and not aborted. */
  readonly letThrough: readonly string[];
}

/**
 * Versions as they are stored; what was named but not rolled out in the span is in `unknown`, as it was named. `storedAs` is what the
 * backend of a service stores for a version.
 */
export function scoreOf(
  rollouts: readonly RolloutReplay[],
  named: readonly string[],
  isAborted: (rollout: RolloutReplay) => boolean,
  storedAs: (service: string, version: string) => string,
): { readonly score: Score; readonly unknown: readonly string[] } {
  const isNamed =
    (version: string) =>
    ({ service, version: stored }: RolloutReplay) =>
      storedAs(service, version) === stored;
  const bad = new Set(
    rollouts
      .filter((rollout) => named.some((version) => isNamed(version)(rollout)))
      .map(({ version }) => version),
  );
  // A version may be rolled out in several services, or twice in one: any of them may have caught it.
  const ofVersion = new Map<string, RolloutReplay[]>();
  for (const rollout of rollouts) {
    ofVersion.set(rollout.version, [...(ofVersion.get(rollout.version) ?? []), rollout]);
  }
  const pick = (isBad: boolean, aborted: boolean) =>
    [...ofVersion]
      .filter(([version, all]) => bad.has(version) === isBad && all.some(isAborted) === aborted)
      .map(([version]) => version);
  return {
    score: {
      caught: pick(true, true),
      missed: pick(true, false),
      falselyAborted: pick(false, true),
      letThrough: pick(false, false),
    },
    unknown: [...new Set(named)].filter((version) => !rollouts.some(isNamed(version))),
  };
}
