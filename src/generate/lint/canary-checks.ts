import type { Report } from './finding.ts';
import { asksTheGate } from './metric-checks.ts';
import type { Place } from './place.ts';
import type { Analysis, RolloutParts } from './rollout-parts.ts';

const hashLabel = 'rollouts-pod-template-hash';
const versionTag = 'tags.datadoghq.com/version';

/** Whether the gate is told which pods are the canary, by something that Datadog will have stored with their traffic. */
export function checkCanary(
  rollout: RolloutParts,
  analysis: Analysis,
  template: Place,
  pods: Place | undefined,
  report: Report,
): void {
  checkArgs(rollout, analysis, template, report);
  for (const metric of template.at('spec', 'metrics').items) {
    if (asksTheGate(metric)) checkParams(rollout, analysis, template, metric, pods, report);
  }
}

/** Every argument that a template needs must come from somewhere, and from something that is there. */
function checkArgs(rollout: RolloutParts, analysis: Analysis, template: Place, report: Report): void {
  const passed = new Map(analysis.args.map((arg) => [arg.name, arg.place]));
  for (const arg of template.at('spec', 'args').items) {
    const name = arg.at('name').text ?? '';
    if (arg.at('value').exists || arg.at('valueFrom').exists || passed.has(name)) continue;
    report(
      'error',
      'missing-arg',
      analysis.place,
      `The analysis passes no argument "${name}", which template "${template.at('metadata', 'name').text}" needs.`,
      'Argo refuses the Rollout.',
      `Add it under args: name: ${name}, with valueFrom or value.`,
    );
  }
  for (const { name, place } of analysis.args) checkFieldRef(rollout, name, place, report);
}

function checkFieldRef(rollout: RolloutParts, name: string, arg: Place, report: Report): void {
  const field = arg.at('valueFrom', 'fieldRef', 'fieldPath');
  const path = field.text;
  if (path === undefined) return;
  const own = /^metadata\.labels\['([^']+)'\]$/.exec(path)?.[1];
  if (own !== undefined) {
    if (rollout.place.at('metadata', 'labels', own).exists) return;
    report(
      'error',
      'empty-arg',
      field,
      `Argument "${name}" is taken from the Rollout's label "${own}", which it does not have.`,
      'It becomes the empty string; the gate refuses the question, and enough refusals abort the rollout.',
      `Add the label to the Rollout's own metadata, or take a label of its pods: spec.template.metadata.labels.KEY.`,
    );
    return;
  }
  const steps = path.split(/[.[\]]+/).filter((step) => step !== '');
  if (steps[0] !== 'spec' || rollout.place.at(...steps).exists) return;
  const dotted = /labels\.(.*\..*)$/.exec(path)?.[1];
  const reachable =
    dotted === undefined || !rollout.place.at('spec', 'template', 'metadata', 'labels', dotted).exists;
  report(
    'error',
    'empty-arg',
    field,
    `Argument "${name}" is taken from ${path}, where the Rollout has nothing.`,
    reachable
      ? 'Argo cannot make the analysis run.'
      : 'Argo walks the path by its dots, so a label with a dot in its key cannot be reached.',
    reachable
      ? 'Correct the path.'
      : 'Give the pods a label without dots as well (version), or take pod-template-hash.',
  );
}

/** The parameters of one question: is there a canary among them, and do its pods say the same of themselves? */
function checkParams(
  rollout: RolloutParts,
  analysis: Analysis,
  template: Place,
  metric: Place,
  pods: Place | undefined,
  report: Report,
): void {
  const web = metric.at('provider', 'web');
  const url = web.at('url');
  const query = (url.text ?? '').split('?')[1] ?? '';
  const inQuery = query.split('&').flatMap((piece) => {
    const [name = '', value = ''] = piece.split('=');
    return /^(service|window|since|explain|pretty|)$/.test(name) ? [] : [{ name, value, place: url }];
  });
  const inHeaders = web.at('headers').items.flatMap((header) => {
    const name = /^x-canary-(.+)$/i.exec(header.at('key').text ?? '')?.[1];
    return name === undefined
      ? []
      : [
          {
            name: name.toLowerCase().replaceAll('-', '_'),
            value: header.at('value').text ?? '',
            place: header,
          },
        ];
  });
  const params = [...inQuery, ...inHeaders].filter(({ name }) => !/^(stable|baseline)/.test(name));
  const metricName = metric.at('name').text ?? '';
  if (params.length === 0) {
    report(
      'error',
      'canary-not-told',
      url,
      `Metric "${metricName}" does not say which traffic is the canary.`,
      'The gate refuses the question, unless the selector in the registry takes no parameter.',
      'Add the header X-Canary-Version with the argument that has the version.',
    );
    return;
  }
  for (const { value, place } of inQuery) {
    if (!value.includes('{{')) continue;
    report(
      'warning',
      'arg-in-url',
      place,
      `Metric "${metricName}" puts an argument into the URL.`,
      'Argo does not encode it: a version with a space, a + or a & asks for something else, or gets a 400.',
      'Send it in a header: X-Canary-Version: "{{args.version}}".',
    );
  }
  for (const { name, value, place } of params) {
    const argName = /\{\{\s*args\.([^}\s]+)\s*\}\}/.exec(value)?.[1];
    const isVersion = /version|hash/.test(name);
    if (argName === undefined) {
      if (isVersion) fixedVersion(value, place, report);
      continue;
    }
    const arg = analysis.args.find((each) => each.name === argName);
    const fixed =
      arg === undefined
        ? template
            .at('spec', 'args')
            .items.find((each) => each.at('name').text === argName)
            ?.at('value')
        : arg.place.at('value');
    if (fixed?.exists === true && isVersion) fixedVersion(fixed.text ?? '', fixed, report);
    if (arg === undefined) continue;
    const hash = arg.place.at('valueFrom', 'podTemplateHashValue');
    if (hash.text === 'Stable') {
      report(
        'error',
        'judges-stable',
        hash,
        `Argument "${argName}" names the canary by the hash of the stable pods.`,
        'The old version is judged; the new one is not looked at.',
        'Take podTemplateHashValue: Latest.',
      );
    } else if (hash.text === 'Latest' && isVersion) checkPods(pods, rollout, undefined, report);
    else {
      const label = /^spec\.template\.metadata\.labels\.([^.]+)$/.exec(
        arg.place.at('valueFrom', 'fieldRef', 'fieldPath').text ?? '',
      )?.[1];
      if (label !== undefined && isVersion) checkPods(pods, rollout, label, report);
    }
  }
}

function fixedVersion(value: string, place: Place, report: Report): void {
  report(
    'error',
    'fixed-version',
    place,
    `The version that is asked for is always "${value}".`,
    'Every release but that one is judged by the traffic of another, or of none.',
    'Take it from the Rollout: podTemplateHashValue: Latest, or fieldRef: spec.template.metadata.labels.version.',
  );
}

/** `label` is the pods' label that is asked for; undefined: their template hash. */
function checkPods(
  pods: Place | undefined,
  rollout: RolloutParts,
  label: string | undefined,
  report: Report,
): void {
  if (pods === undefined || !pods.exists) return;
  const labels = pods.at('metadata', 'labels');
  const envs = pods
    .at('spec', 'containers')
    .items.map((container) => container.at('env').items.find((env) => env.at('name').text === 'DD_VERSION'));
  const version = envs.find((env) => env !== undefined);
  const tag = labels.at(versionTag);
  const wanted = label ?? hashLabel;
  if (version === undefined && !tag.exists) {
    report(
      'error',
      'no-version',
      pods.at('spec', 'containers').exists ? pods.at('spec', 'containers') : pods,
      `The pods of Rollout "${rollout.name}" have neither DD_VERSION nor the label ${versionTag}.`,
      'Datadog stores no version with their traffic: canary and stable cannot be told apart.',
      `Add the variable DD_VERSION with fieldRef: metadata.labels['${wanted}'].`,
    );
    return;
  }
  const asked = label === undefined ? undefined : labels.at(label).text;
  // A label that is not there has been reported where it is asked for.
  if (label !== undefined && asked === undefined) return;
  if (version !== undefined) {
    const from = version.at('valueFrom', 'fieldRef', 'fieldPath').text;
    const source = from === undefined ? undefined : /^metadata\.labels\['([^']+)'\]$/.exec(from)?.[1];
    const value = version.at('value').text ?? (source === undefined ? undefined : labels.at(source).text);
    const same = source === wanted || (asked !== undefined && value === asked);
    // A version from somewhere else, such as a ConfigMap, cannot be followed here.
    if (same || (source === undefined && value === undefined)) return;
    mismatch(version, source === undefined ? `"${value}"` : `the label ${source}`, wanted, rollout, report);
    return;
  }
  if (asked === undefined || tag.text !== asked) mismatch(tag, `"${tag.text}"`, wanted, rollout, report);
}

function mismatch(place: Place, found: string, wanted: string, rollout: RolloutParts, report: Report): void {
  report(
    'error',
    'version-mismatch',
    place,
    `The pods of Rollout "${rollout.name}" report ${found} as their version; the analysis asks for the label ${wanted}.`,
    'The gate finds no traffic of the canary and never knows anything.',
    `Let DD_VERSION be fieldRef: metadata.labels['${wanted}'], or ask for what it is.`,
  );
}
