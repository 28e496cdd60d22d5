import { durationMs } from '../../domain/duration.ts';
import type { CanaryArgOptions } from './canary-args.ts';

/** How Argo's controller authenticates. */
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

/** Options of templates and Rollouts. */
export interface AnalysisOptions extends CanaryArgOptions {
  /** Where Argo's controller reaches the gate; without a trailing slash. */
  readonly gateUrl: string;
  readonly kind: TemplateKind;
  readonly namespace: string | undefined;
  readonly auth: GateAuth | undefined;
  /** The time between two measurements, in Argo's format: `60s`. */
  readonly interval: string;
  /** The delay of the first measurement of a background analysis; undefined: until the first minute of data is complete. */
  readonly initialDelay: string | undefined;
  /** The maximum number of measurements of an inline analysis step. */
  readonly count: number;
  /** The number of consecutive passes that an inline analysis step needs. */
  readonly passes: number;
  /** Consecutive failed requests that each kind of analysis tolerates; Argo makes one every 10 s. */
  readonly watchErrors: number;
  readonly gateErrors: number;
  /** Annotate every object with the digest of the whole registry, so that every change changes all objects. */
  readonly registryDigest: boolean;
}

export const defaultAnalysisOptions: AnalysisOptions = {
  gateUrl: 'http://cuj-gate.cuj-gate.svc:8080',
  kind: 'AnalysisTemplate',
  namespace: undefined,
  auth: undefined,
  // Datadog's data arrives in whole minutes: more frequent measurements repeat the result.
  interval: '60s',
  initialDelay: undefined,
  count: 15,
  passes: 2,
  // An hour for background analyses, ten minutes for steps that block the rollout.
  watchErrors: 360,
  gateErrors: 60,
  registryDigest: false,
  versionFrom: { kind: 'pod-template-hash', of: 'Latest' },
  params: new Map(),
};

/**
 * High enough never to pause a rollout: a week of inconclusive measurements, one per minute. A background analysis only
 * has to abort.
 */
export const watchInconclusiveLimit = 10_000;

/** Whether a text is a duration in Argo's format, greater than 0. */
export function isArgoDuration(text: string): boolean {
  return text === '0s' || durationMs(text.replace(/d$/, '?')) !== undefined;
}
