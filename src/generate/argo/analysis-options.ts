import { durationMs } from '../../domain/duration.ts';
import type { CanaryArgOptions } from './canary-args.ts';
import type { SizedSteps } from './sized-steps.ts';

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
  /** Where people reach the gate with a browser, without a trailing slash; undefined: objects have no link to its pages. */
  readonly publicUrl: string | undefined;
  readonly kind: TemplateKind;
  readonly namespace: string | undefined;
  readonly auth: GateAuth | undefined;
  /** The time between two measurements, in Argo's format: `20s`. */
  readonly interval: string;
  /** The delay of the first measurement of a background analysis; undefined: until data can show a fault. */
  readonly initialDelay: string | undefined;
  /** The maximum number of measurements of an inline analysis step; more where `steps` says so. */
  readonly count: number;
  /** The number of consecutive passes that an inline analysis step needs. */
  readonly passes: number;
  /** By the name of a service: steps that are sized to its traffic, where that is known. */
  readonly steps: ReadonlyMap<string, SizedSteps>;
  /** Consecutive failed requests that each kind of analysis tolerates; Argo makes one every 10 s. */
  readonly watchErrors: number;
  readonly gateErrors: number;
  /** Annotate every object with the digest of the whole registry, so that every change changes all objects. */
  readonly registryDigest: boolean;
}

/** How long an inline analysis step measures at most. */
const gateSpanMs = 15 * 60_000;

/**
 * The time between the first and the last of the passes in a row. Two passes 20 s apart rest on nearly the same data: over a
 * minute, all that the first one could not see yet has been seen.
 */
const passSpanMs = 60_000;

/** The measurements and passes in a row of an inline analysis step that measures at this interval, by default. */
export function gateLimits(interval: string): { readonly count: number; readonly passes: number } {
  const everyMs = durationMs(interval) ?? gateSpanMs;
  const passes = Math.max(2, Math.ceil(passSpanMs / everyMs) + 1);
  return { passes, count: Math.max(passes, Math.round(gateSpanMs / everyMs)) };
}

// The gate has data of 10 s, and asks Datadog sooner only while something could be decided: frequent measurements cost nothing.
const interval = '20s';

export const defaultAnalysisOptions: AnalysisOptions = {
  gateUrl: 'http://cuj-gate.cuj-gate.svc:8080',
  publicUrl: undefined,
  kind: 'AnalysisTemplate',
  namespace: undefined,
  auth: undefined,
  interval,
  initialDelay: undefined,
  ...gateLimits(interval),
  steps: new Map(),
  // An hour for background analyses, ten minutes for steps that block the rollout. Argo retries an error after 10 s, whatever
  // the interval is.
  watchErrors: 360,
  gateErrors: 60,
  registryDigest: false,
  versionFrom: { kind: 'pod-template-hash', of: 'Latest' },
  versionFromOf: new Map(),
  params: new Map(),
};

/**
 * High enough never to pause a rollout: a week of inconclusive measurements, one every 20 s. A background analysis only has to
 * abort.
 */
export const watchInconclusiveLimit = 30_000;

/** Whether a text is a duration in Argo's format, greater than 0. */
export function isArgoDuration(text: string): boolean {
  return text === '0s' || durationMs(text.replace(/d$/, '?')) !== undefined;
}
