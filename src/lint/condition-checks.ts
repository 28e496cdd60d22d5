import type { Report } from './finding.ts';
import type { Place } from './yaml-node.ts';

/** Providers with their own judgment, without conditions. */
const withoutConditions = ['job', 'kayenta', 'plugin'];

export function checkConditions(metric: Place, name: string, ours: boolean, report: Report): void {
  const success = metric.at('successCondition');
  const failure = metric.at('failureCondition');
  if (!success.exists && !failure.exists) {
    if (withoutConditions.some((provider) => metric.at('provider', provider).exists)) return;
    report(
      'error',
      'no-conditions',
      metric,
      `Metric "${name}" has neither successCondition nor failureCondition.`,
      `Argo calls every result Successful${ours ? ', even a FAIL' : ''}.`,
      ours ? 'Set both: result startsWith "PASS" and result startsWith "FAIL".' : 'Set both.',
    );
    return;
  }
  if (!ours) return;
  if (!failure.exists) {
    report(
      'error',
      'one-condition',
      success,
      `Metric "${name}" has no failureCondition.`,
      'Every result that does not succeed fails: an inconclusive result aborts the rollout.',
      'Add failureCondition: result startsWith "FAIL".',
    );
  }
  if (!success.exists) {
    report(
      'error',
      'one-condition',
      failure,
      `Metric "${name}" has no successCondition.`,
      'Every result that does not fail succeeds: an inconclusive result counts as a pass.',
      'Add successCondition: result startsWith "PASS".',
    );
  }
  checkSelection(metric, name, success, failure, report);
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
      'An inconclusive result aborts the rollout.',
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
      `Metric "${name}" selects ${path.text} of the gate's response.`,
      'Whether its conditions distinguish pass, fail and inconclusive was not checked.',
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
