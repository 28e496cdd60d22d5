import type { Report } from './finding.ts';
import type { Place } from './place.ts';
import { seconds, type Use } from './rollout-parts.ts';

/** A template's metric in the analysis that uses it. */
export interface UsedMetric {
  readonly place: Place;
  readonly name: string;
  readonly use: Use;
}

/** Whether a metric asks a gate of ours, by the path of its URL. */
export function asksTheGate(metric: Place): boolean {
  return gatePath(metric) !== undefined;
}

/** What a metric asks about; undefined where it does not ask a gate. */
export function gatePath(
  metric: Place,
): { readonly of: 'cuj' | 'service'; readonly name: string } | undefined {
  const url = metric.at('provider', 'web', 'url').text ?? '';
  const match = /\/(cujs|services)\/([^/?]+)\/status(?:\?|$)/.exec(url);
  return match === null
    ? undefined
    : { of: match[1] === 'cujs' ? 'cuj' : 'service', name: match[2] as string };
}

/** What is wrong with a metric by itself and in its use, by the rules of Argo's controller. */
export function checkMetric({ place, name, use }: UsedMetric, lagSeconds: number, report: Report): void {
  checkConditions(place, name, report);
  checkLimits(place, name, use, report);
  checkRhythm(place, name, use, lagSeconds, report);
}

function checkConditions(metric: Place, name: string, report: Report): void {
  const success = metric.at('successCondition');
  const failure = metric.at('failureCondition');
  if (!success.exists && !failure.exists) {
    report(
      'error',
      'no-conditions',
      metric,
      `Metric "${name}" has neither successCondition nor failureCondition.`,
      'Argo calls every answer Successful, a FAIL too.',
      'Set both: result startsWith "PASS" and result startsWith "FAIL".',
    );
    return;
  }
  if (!failure.exists) {
    report(
      'error',
      'one-condition',
      success,
      `Metric "${name}" has no failureCondition.`,
      'Whatever does not succeed fails: an answer that nothing is known yet aborts the rollout.',
      'Add failureCondition: result startsWith "FAIL".',
    );
  }
  if (!success.exists) {
    report(
      'error',
      'one-condition',
      failure,
      `Metric "${name}" has no successCondition.`,
      'Whatever does not fail succeeds: not knowing counts as a pass.',
      'Add successCondition: result startsWith "PASS".',
    );
  }
  if (asksTheGate(metric)) checkSelection(metric, name, success, failure, report);
}

/** Pairs of jsonPath and conditions that keep the three verdicts apart. */
function checkSelection(metric: Place, name: string, success: Place, failure: Place, report: Report): void {
  const path = metric.at('provider', 'web', 'jsonPath');
  const selected = (path.text ?? '').replace(/\s/g, '');
  const texts = [success.text, failure.text] as const;
  if (selected === '{$.ok}') {
    report(
      'error',
      'ok-is-two-valued',
      path,
      `Metric "${name}" selects ok, which is false for inconclusive as well as for fail.`,
      'Not knowing yet aborts the rollout.',
      'Select {$.summary} and judge result startsWith "PASS" / "FAIL".',
    );
    return;
  }
  const wanted =
    selected === '{$.summary}'
      ? [/startsWith\s+["']PASS/, /startsWith\s+["']FAIL/]
      : selected === '{$.verdict}'
        ? [/==\s*["']pass["']/, /==\s*["']fail["']/]
        : selected === '' || selected === '{$}'
          ? [
              /(verdict\s*==\s*["']pass["'])|(summary\s+startsWith\s+["']PASS)/,
              /(verdict\s*==\s*["']fail["'])|(summary\s+startsWith\s+["']FAIL)/,
            ]
          : undefined;
  if (wanted === undefined) {
    report(
      'warning',
      'unusual-selection',
      path,
      `Metric "${name}" selects ${path.text} of the gate's answer.`,
      'Whether its conditions keep pass, fail and inconclusive apart is not known here.',
      'Select {$.summary} and judge result startsWith "PASS" / "FAIL".',
    );
    return;
  }
  [success, failure].forEach((condition, i) => {
    if (!condition.exists || (wanted[i] as RegExp).test(texts[i] ?? '')) return;
    const word = i === 0 ? 'pass' : 'fail';
    report(
      'error',
      'condition-never-holds',
      condition,
      `The condition "${condition.text}" does not recognise a ${word} in ${path.text ?? 'the whole answer'}.`,
      i === 0 ? 'Nothing ever passes.' : 'No FAIL ever aborts.',
      `Judge {$.summary} by result startsWith "${word.toUpperCase()}".`,
    );
  });
}

function checkLimits(metric: Place, name: string, use: Use, report: Report): void {
  const failure = metric.at('failureLimit');
  const failures = failure.number ?? 0;
  const count = metric.at('count').number;
  if (failures < 0 || (count !== undefined && failures >= count)) {
    report(
      'error',
      'failure-limit',
      failure,
      `failureLimit ${failures} of metric "${name}" is never passed.`,
      'No FAIL ever aborts the rollout.',
      'Set failureLimit: 0. A FAIL of the gate is evidence already, not one unlucky look.',
    );
  } else if (failures > 0) {
    report(
      failures > 2 ? 'error' : 'warning',
      'failure-limit',
      failure,
      `failureLimit ${failures} of metric "${name}" lets ${failures} FAILs pass by.`,
      `A broken canary keeps its traffic for ${failures} more ${failures === 1 ? 'interval' : 'intervals'}.`,
      'Set failureLimit: 0. A FAIL of the gate is evidence already, not one unlucky look.',
    );
  }

  const inconclusive = metric.at('inconclusiveLimit');
  const inconclusives = inconclusive.number ?? 0;
  const passes = metric.at('consecutiveSuccessLimit').number ?? 0;
  if (inconclusives === 0) {
    report(
      'error',
      'inconclusive-limit',
      inconclusive.exists ? inconclusive : metric,
      `inconclusiveLimit of metric "${name}" is 0${inconclusive.exists ? '' : ', the default'}.`,
      'The first answer that nothing is known yet pauses the rollout for a person; early in a rollout that is every answer.',
      use === 'watch'
        ? 'Set inconclusiveLimit: 10000.'
        : 'Set it to count, together with consecutiveSuccessLimit.',
    );
  } else if (use === 'watch' && inconclusives < 30) {
    report(
      'warning',
      'inconclusive-limit',
      inconclusive,
      `inconclusiveLimit ${inconclusives} of metric "${name}" is soon passed.`,
      'A CUJ with little traffic pauses the rollout for a person.',
      'Set inconclusiveLimit: 10000: a background analysis is there to trip.',
    );
  } else if (use === 'gate' && passes === 0 && count !== undefined && inconclusives >= count) {
    report(
      'error',
      'pass-without-proof',
      inconclusive,
      `Metric "${name}" may be inconclusive ${count} times out of ${count} and has no consecutiveSuccessLimit.`,
      'It can end Successful without one pass.',
      'Add consecutiveSuccessLimit: 2.',
    );
  }

  const error = metric.at('consecutiveErrorLimit');
  const errors = error.number ?? 4;
  if (errors < 30) {
    report(
      errors < 6 ? 'error' : 'warning',
      'error-limit',
      error.exists ? error : metric,
      `consecutiveErrorLimit of metric "${name}" is ${errors}${error.exists ? '' : ', the default'}.`,
      `Argo asks again every 10 s: a gate that cannot be reached for ${(errors + 1) * 10} s aborts the rollout.`,
      `Set consecutiveErrorLimit: ${use === 'watch' ? 360 : 60}.`,
    );
  }
}

function checkRhythm(metric: Place, name: string, use: Use, lagSeconds: number, report: Report): void {
  const interval = metric.at('interval');
  const every = seconds(interval.text ?? '');
  const count = metric.at('count');
  if (use === 'gate' && interval.exists && !count.exists) {
    report(
      'error',
      'no-count',
      metric,
      `Metric "${name}" of a step has an interval and no count.`,
      'It would never end; Argo refuses the Rollout.',
      'Add count: 10 and consecutiveSuccessLimit: 2.',
    );
  } else if (use === 'gate' && (count.number ?? 1) === 1) {
    report(
      'warning',
      'asks-once',
      count.exists ? count : metric,
      `Metric "${name}" asks once.`,
      'Where traffic is not enough yet at that moment, the rollout pauses for a person.',
      'Add interval: 60s, count: 10 and consecutiveSuccessLimit: 2.',
    );
  }
  if (use === 'watch' && !interval.exists) {
    report(
      'error',
      'asks-once',
      metric,
      `Metric "${name}" of the background analysis has no interval.`,
      'It asks once, when there is no data yet, and never again.',
      'Add interval: 60s.',
    );
  } else if (use === 'watch' && count.exists) {
    report(
      'warning',
      'watch-ends',
      count,
      `Metric "${name}" of the background analysis ends after ${count.text} looks.`,
      'What breaks later is not seen.',
      'Remove count.',
    );
  }
  if (every !== undefined && every < Math.min(lagSeconds, 60)) {
    report(
      'warning',
      'interval-below-lag',
      interval,
      `Metric "${name}" asks every ${interval.text}.`,
      `Data comes once a minute, ${lagSeconds} s late: most answers repeat the one before, and a count is used up before anything is known.`,
      'Set interval: 60s.',
    );
  }
  const timeout = metric.at('provider', 'web', 'timeoutSeconds');
  if (asksTheGate(metric) && timeout.number !== undefined && timeout.number > 0 && timeout.number < 9) {
    report(
      'warning',
      'timeout',
      timeout,
      `Metric "${name}" waits ${timeout.number} s.`,
      'The gate takes up to 8 s where Datadog is slow; an answer that comes too late is an error.',
      'Set timeoutSeconds: 10.',
    );
  }
}
