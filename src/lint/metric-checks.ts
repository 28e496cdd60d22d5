import { checkConditions } from './condition-checks.ts';
import type { Report } from './finding.ts';
import { seconds, type Use } from './rollout-parts.ts';
import type { Place } from './yaml-node.ts';

/** The gate never queries Datadog more often for one question. */
const newDataSeconds = 20;

/** What passes in a row have to span. */
const passSpanSeconds = 60;

/** Less than this and a quiet CUJ pauses a rollout by its background analysis. */
const minInconclusiveSeconds = 30 * 60;

/** A metric of a template, with the analysis that uses it. */
export interface UsedMetric {
  readonly place: Place;
  readonly name: string;
  readonly use: Use;
  /** Arguments with a fixed value, in the Rollout or as the template's default. */
  readonly args: ReadonlyMap<string, string>;
}

/** Whether a metric uses cuj-gate, by the path of its URL. */
export function asksTheGate(metric: Place): boolean {
  return gatePath(metric) !== undefined;
}

/** The subject of a metric; undefined where it does not use cuj-gate. */
export function gatePath(
  metric: Place,
): { readonly of: 'cuj' | 'service'; readonly name: string } | undefined {
  const url = metric.at('provider', 'web', 'url').text ?? '';
  const match = /\/(cujs|services)\/([^/?]+)\/status(?:\?|$)/.exec(url);
  return match === null
    ? undefined
    : { of: match[1] === 'cujs' ? 'cuj' : 'service', name: match[2] as string };
}

/**
 * Mistakes in a metric and its use, by the rules of Argo's controller. For a metric of another provider only general
 * mistakes: limits that suit a point estimate of Prometheus do not suit a verdict.
 */
export function checkMetric(metric: UsedMetric, report: Report): void {
  const { place, name } = metric;
  const ours = asksTheGate(place);
  checkConditions(place, name, ours, report);
  checkFailureLimit(metric, ours, report);
  checkCount(metric, report);
  if (!ours) return;
  checkAccept(metric, report);
  checkInconclusiveLimit(metric, report);
  checkErrorLimit(metric, report);
  checkRhythm(metric, report);
  checkPassSpan(metric, report);
}

/**
 * A page must never reach Argo. A metric without `Accept` is as good as one with `application/json`: Argo's client sends none
 * of its own, and the gate then responds with JSON.
 */
function checkAccept({ place, name, args }: UsedMetric, report: Report): void {
  const headers = place.at('provider', 'web', 'headers').items;
  const keyOf = (header: Place) => header.at('key').text ?? '';
  // Argo sends the last one of a name.
  const accept = headers.findLast((header) => keyOf(header).toLowerCase() === 'accept');
  const value = (accept?.at('value').text ?? '').replace(
    /\{\{\s*args\.([^}\s]+)\s*\}\}/g,
    (_, arg: string) => args.get(arg) ?? '',
  );
  if (accept === undefined || !/(?<![\w.+-])text\/html(?![\w.+-])/i.test(value)) return;
  const safeguard = headers.map(keyOf).find((key) => /^x-canary(-|$)/i.test(key));
  report(
    safeguard === undefined ? 'error' : 'warning',
    'asks-for-page',
    accept,
    `Metric "${name}" accepts text/html.`,
    safeguard === undefined
      ? 'The gate responds with a page, and Argo calls a response that is not JSON Successful: every release passes.'
      : `Only the header ${safeguard} keeps the gate from responding with a page, which Argo would call Successful.`,
    'Set Accept: application/json.',
  );
}

/**
 * A whole number, by the value of an argument where the metric takes it from one; `unknown` where it cannot be seen in
 * these files, undefined where there is none.
 */
export function numberOf(place: Place, { args }: UsedMetric): number | 'unknown' | undefined {
  if (!place.exists) return undefined;
  const { text } = place;
  const name = /^\{\{\s*args\.([^}\s]+)\s*\}\}$/.exec(text ?? '')?.[1];
  const value = name === undefined ? text : args.get(name);
  return value !== undefined && /^-?\d+$/.test(value) ? Number(value) : 'unknown';
}

function checkFailureLimit(metric: UsedMetric, ours: boolean, report: Report): void {
  const { place, name } = metric;
  const failure = place.at('failureLimit');
  const failures = numberOf(failure, metric) ?? 0;
  if (failures === 'unknown') return;
  const count = numberOf(place.at('count'), metric);
  if (failures < 0 || (typeof count === 'number' && count > 0 && failures >= count)) {
    report(
      'error',
      'failure-limit',
      failure,
      `failureLimit ${failures} of metric "${name}" is never exceeded.`,
      'No FAIL ever aborts the rollout.',
      ours ? 'Set failureLimit: 0. One FAIL of the gate is enough evidence to abort.' : 'Lower it.',
    );
  } else if (failures > 0 && ours) {
    report(
      failures > 2 ? 'error' : 'warning',
      'failure-limit',
      failure,
      `failureLimit ${failures} of metric "${name}" lets ${failures} FAILs pass by.`,
      `A broken canary keeps its traffic for ${failures} more ${failures === 1 ? 'interval' : 'intervals'}.`,
      'Set failureLimit: 0. One FAIL of the gate is enough evidence to abort.',
    );
  }
}

function checkInconclusiveLimit(used: UsedMetric, report: Report): void {
  const { place: metric, name, use } = used;
  const inconclusive = metric.at('inconclusiveLimit');
  const inconclusives = numberOf(inconclusive, used) ?? 0;
  const passes = numberOf(metric.at('consecutiveSuccessLimit'), used) ?? 0;
  const count = numberOf(metric.at('count'), used);
  if (inconclusives === 'unknown') return;
  if (inconclusives === 0) {
    report(
      'error',
      'inconclusive-limit',
      inconclusive.exists ? inconclusive : metric,
      `inconclusiveLimit of metric "${name}" is 0${inconclusive.exists ? '' : ', the default'}.`,
      'The first inconclusive result pauses the rollout for a person; early in a rollout every result is inconclusive.',
      use === 'watch'
        ? 'Set inconclusiveLimit: 30000.'
        : 'Set it to count, together with consecutiveSuccessLimit.',
    );
  } else if (use === 'watch' && inconclusives * everySecondsOf(metric) < minInconclusiveSeconds) {
    report(
      'warning',
      'inconclusive-limit',
      inconclusive,
      `inconclusiveLimit ${inconclusives} of metric "${name}" is soon exceeded.`,
      'A CUJ with little traffic pauses the rollout for a person.',
      'Set inconclusiveLimit: 30000: a background analysis only has to abort.',
    );
  } else if (use === 'gate' && passes === 0 && typeof count === 'number' && inconclusives >= count) {
    report(
      'error',
      'pass-without-proof',
      inconclusive,
      `Metric "${name}" may be inconclusive ${count} times out of ${count} and has no consecutiveSuccessLimit.`,
      'It can end Successful without one pass.',
      'Add consecutiveSuccessLimit: 4.',
    );
  }
}

/** Of a metric; where it has no interval, or a wrong one, that of the generated templates. */
function everySecondsOf(metric: Place): number {
  return seconds(metric.at('interval').text ?? '') || newDataSeconds;
}

function checkErrorLimit(used: UsedMetric, report: Report): void {
  const { place: metric, name, use } = used;
  const error = metric.at('consecutiveErrorLimit');
  const errors = numberOf(error, used) ?? 4;
  if (errors === 'unknown' || errors >= 30) return;
  report(
    errors < 6 ? 'error' : 'warning',
    'error-limit',
    error.exists ? error : metric,
    `consecutiveErrorLimit of metric "${name}" is ${errors}${error.exists ? '' : ', the default'}.`,
    `Argo retries every 10 s: a gate that is unreachable for ${(errors + 1) * 10} s aborts the rollout.`,
    `Set consecutiveErrorLimit: ${use === 'watch' ? 360 : 60}.`,
  );
}

/** Argo treats a count of 0 as none. */
function checkCount(metric: UsedMetric, report: Report): void {
  const { place, name, use } = metric;
  const count = place.at('count');
  if (use !== 'gate' || !place.at('interval').exists || (numberOf(count, metric) ?? 0) !== 0) return;
  report(
    'error',
    'no-count',
    count.exists ? count : place,
    `Metric "${name}" of a step has an interval and no count.`,
    'It would never end; Argo refuses the Rollout.',
    'Add count: 45 and consecutiveSuccessLimit: 4.',
  );
}

/** Passes in a row must not rest on the same data. A metric without an interval is measured once, which is reported. */
function checkPassSpan(used: UsedMetric, report: Report): void {
  const { place: metric, name, use } = used;
  const limit = metric.at('consecutiveSuccessLimit');
  const passes = numberOf(limit, used);
  const every = seconds(metric.at('interval').text ?? '');
  if (use !== 'gate' || typeof passes !== 'number' || passes < 1 || every === undefined || every <= 0) return;
  const span = (passes - 1) * every;
  if (span >= passSpanSeconds) return;
  report(
    'warning',
    'passes-too-close',
    limit,
    `The ${passes === 1 ? 'pass' : `${passes} passes in a row`} of metric "${name}" ${passes === 1 ? 'is enough alone' : `may come within ${span} s`}.`,
    'They rest on nearly the same data: what begins just then is not seen.',
    `Set consecutiveSuccessLimit: ${Math.ceil(passSpanSeconds / every) + 1}, so that passes span a minute.`,
  );
}

function checkRhythm(used: UsedMetric, report: Report): void {
  const { place: metric, name, use } = used;
  const interval = metric.at('interval');
  const every = seconds(interval.text ?? '');
  const count = metric.at('count');
  if (use === 'gate' && (numberOf(count, used) ?? (interval.exists ? 0 : 1)) === 1) {
    report(
      'warning',
      'asks-once',
      count.exists ? count : metric,
      `Metric "${name}" is measured once.`,
      'If the traffic is not enough at that time, the rollout pauses for a person.',
      'Add interval: 20s, count: 45 and consecutiveSuccessLimit: 4.',
    );
  }
  if (use === 'watch' && !interval.exists) {
    report(
      'error',
      'asks-once',
      metric,
      `Metric "${name}" of the background analysis has no interval.`,
      'It is measured once, when there is no data yet.',
      'Add interval: 20s.',
    );
  } else if (use === 'watch' && count.exists && numberOf(count, used) !== 0) {
    report(
      'warning',
      'watch-ends',
      count,
      `Metric "${name}" of the background analysis ends after ${count.text} measurements.`,
      'Later failures are not detected.',
      'Remove count.',
    );
  }
  if (every !== undefined && every < newDataSeconds) {
    report(
      'warning',
      'interval-too-short',
      interval,
      `Metric "${name}" is measured every ${interval.text}.`,
      `The gate queries Datadog every ${newDataSeconds} s at most: other results repeat the previous one, and count is used up too early.`,
      `Set interval: ${newDataSeconds}s.`,
    );
  }
  const timeout = metric.at('provider', 'web', 'timeoutSeconds');
  if (timeout.number !== undefined && timeout.number > 0 && timeout.number < 9) {
    report(
      'warning',
      'timeout',
      timeout,
      `Metric "${name}" waits ${timeout.number} s.`,
      'The gate takes up to 8 s when Datadog is slow; a response after the timeout is an error.',
      'Set timeoutSeconds: 10.',
    );
  }
}
