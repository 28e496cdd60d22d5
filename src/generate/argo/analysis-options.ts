import { durationMs } from '../../domain/duration.ts';
import type { CanaryArgOptions } from './canary-args.ts';

/** How Argo's controller shows who it is. */
export type GateAuth =
  | { readonly kind: 'token'; readonly secret: string; readonly key: string }
  | {
      readonly kind: 'oauth2';
      readonly tokenUrl: string;
      /** A Secret with the keys `client-id` and `client-secret`. */
      readonly secret: string;
      readonly scopes: readonly string[];
    };

export type TemplateKind = 'AnalysisTemplate' | 'ClusterAnalysisTemplate';

/** What templates and Rollouts are made with, besides the registry. */
export interface AnalysisOptions extends CanaryArgOptions {
  /** Where Argo's controller reaches the gate; without a trailing slash. */
  readonly gateUrl: string;
  readonly kind: TemplateKind;
  readonly namespace: string | undefined;
  readonly auth: GateAuth | undefined;
  /** Between two measurements, as Argo writes it: `60s`. */
  readonly interval: string;
  /** Before a watch's first measurement; undefined: until the first minute of data is complete. */
  readonly initialDelay: string | undefined;
  /** How often a gate asks at most. */
  readonly count: number;
  /** How many passes in a row a gate wants. */
  readonly passes: number;
  /** Failed requests in a row that a watch and a gate bear; Argo makes one every 10 s. */
  readonly watchErrors: number;
  readonly gateErrors: number;
  /** Also write the whole registry's digest on every object, so that every object changes with every change of it. */
  readonly registryDigest: boolean;
}

export const defaultAnalysisOptions: AnalysisOptions = {
  gateUrl: 'http://cuj-gate.cuj-gate.svc:8080',
  kind: 'AnalysisTemplate',
  namespace: undefined,
  auth: undefined,
  // Datadog's data comes in whole minutes: asking more often repeats the answer.
  interval: '60s',
  initialDelay: undefined,
  count: 10,
  passes: 2,
  // An hour for what runs beside a rollout, ten minutes for what holds it up.
  watchErrors: 360,
  gateErrors: 60,
  registryDigest: false,
  versionFrom: { kind: 'pod-template-hash', of: 'Latest' },
  params: new Map(),
};

/**
 * High enough never to pause a rollout: a week of not knowing, once a minute. A background analysis may be as ignorant
 * as it likes, it is there to trip.
 */
export const watchInconclusiveLimit = 10_000;

/** Whether Argo takes a text as a duration; `0s` is none. */
export function isArgoDuration(text: string): boolean {
  return text === '0s' || durationMs(text.replace(/d$/, '?')) !== undefined;
}
