import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from '../../../src/domain/registry/model.ts';
import type { Scenario } from '../scenario.ts';
import { waitFor } from '../wait.ts';
import { type Figure, quantile, shown } from './figures.ts';
import { beginRelease, prepareWorld, truthOf } from './live-release.ts';
import type { End, Observer } from './observer.ts';
import type { Answer } from './recorder.ts';
import type { Together } from './together.ts';

/** Part B: how many good releases go through without a person. */

export const goodServices = ['member-api', 'matching-api', 'payment-api'] as const;
/** Shorter than the sample's 10 minutes: the gate step before it takes what `passAfter` asks for. */
const bake = '2m';
const longestMs = 25 * 60_000;

export interface Ending {
  readonly run: number;
  readonly service: string;
  readonly end: End;
  readonly seconds: number;
  /** What the gate said about the CUJs that did not pass at last. */
  readonly because: readonly string[];
}

export interface GoodOptions {
  readonly registry: Registry;
  readonly run: number;
  readonly delayMs: number;
  readonly together: Together;
  readonly observer: Observer;
  readonly onEnd: (ending: Ending) => void;
}

/** A good release of each service of the example at once, in a namespace and with a gate and a Datadog of their own. */
export function goodReleases(options: GoodOptions): Scenario {
  const { registry, run, delayMs, together, observer, onEnd } = options;
  return {
    name: `good-${run}`,
    what: 'good releases of three services go through without a person',
    backends: ['datadog'],
    timeoutMs: 2 * longestMs,
    async run(context) {
      // Other seeds than those of the bad releases.
      const seed = 1000 + run;
      const world = await together.prepared(() =>
        prepareWorld(context, goodServices, { registry, requestsPerSecond: 1000, seed, bake }),
      );
      await sleep(delayMs);
      const results = goodServices.map(async (service) => {
        const startedMs = Date.now();
        const truth = truthOf('good', registry, service, seed);
        const { observed } = await beginRelease(context, observer, world, service, truth);
        const end = await waitFor(() => observed.end, {
          what: `the end of the release of ${service}`,
          timeoutMs: longestMs,
        });
        if (end === undefined) return;
        onEnd({
          ...{ run, service, end: end.kind, seconds: (end.atMs - startedMs) / 1000 },
          because: end.kind === 'promoted' ? [] : reasonsOf(world.recorder.answers, service),
        });
      });
      await Promise.all(results);
    },
  };
}

/** The last answer about each CUJ of a service, where it is no pass. */
function reasonsOf(answers: readonly Answer[], service: string): string[] {
  const last = new Map<string, Answer>();
  for (const answer of answers)
    if ((answer.body.services ?? []).includes(service)) last.set(answer.path, answer);
  return [...last.values()]
    .filter(({ body }) => body.verdict !== 'pass')
    .map(({ body }) => String(body.summary));
}

export function goodFigures(runs: number, endings: readonly Ending[]): Figure[] {
  const all = runs * goodServices.length;
  // 58 of 60.
  const wanted = Math.ceil((all * 58) / 60);
  const promoted = endings.filter(({ end }) => end === 'promoted');
  const of = (end: End) => endings.filter((ending) => ending.end === end).length;
  const minutes = (share: number) => {
    const value = quantile(
      promoted.map(({ seconds }) => seconds / 60),
      share,
    );
    return value === undefined ? '-' : value.toFixed(1);
  };
  return [
    {
      what: 'good releases (0.2 times the allowed rate): promoted without a person',
      measured: `${promoted.length} of ${all}`,
      wanted: `≥ ${wanted} of ${all}`,
      met: promoted.length >= wanted,
    },
    shown('  aborted, paused, not ended', `${of('aborted')}, ${of('paused')}, ${all - endings.length}`),
    shown(
      `  minutes until promoted, with a bake of ${bake}: median, p90`,
      `${minutes(0.5)}, ${minutes(0.9)}`,
    ),
  ];
}

/** Why releases did not go through. */
export function goodText(endings: readonly Ending[]): string {
  return endings
    .filter(({ end }) => end !== 'promoted')
    .map(
      ({ run, service, end, because }) =>
        `good-${run} ${service}: ${end}; ${because.join('; ') || 'no answer'}`,
    )
    .join('\n');
}
