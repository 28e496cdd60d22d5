import { headerName } from '../domain/metrics/evaluation-request.ts';
import { cujCalled, type Registry } from '../domain/registry/model.ts';
import { environmentParam } from '../domain/registry/selector.ts';
import { checkArgs } from './arg-checks.ts';
import type { Report } from './finding.ts';
import { asksTheGate, gatePath } from './metric-checks.ts';
import type { Analysis, RolloutParts } from './rollout-parts.ts';
import { checkVersion, originOf } from './version-checks.ts';
import type { Place } from './yaml-node.ts';

/** Whether the analysis passes the canary's version to the gate, as Datadog stores it with the traffic of its pods. */
export function checkCanary(
  rollout: RolloutParts,
  analysis: Analysis,
  template: Place,
  pods: Place | undefined,
  registry: Registry | undefined,
  report: Report,
): void {
  checkArgs(rollout, analysis, template, report);
  for (const metric of template.at('spec', 'metrics').items) {
    if (asksTheGate(metric)) checkParams(rollout, analysis, template, metric, pods, registry, report);
  }
}

/**
 * The parameters of the selectors in the registry; undefined without a registry or for unknown names. For a CUJ of
 * services with different selectors, the parameters of all of them.
 */
function wantedParams(metric: Place, registry: Registry | undefined): readonly string[] | undefined {
  const asked = gatePath(metric);
  if (registry === undefined || asked === undefined) return undefined;
  const service = /[?&]service=([^&{]+)/.exec(metric.at('provider', 'web', 'url').text ?? '')?.[1];
  const names =
    asked.of === 'service'
      ? [asked.name]
      : service === undefined
        ? cujCalled(registry, asked.name)?.services
        : [service];
  const [first, ...others] = (names ?? []).map((name) => registry.services.get(name)?.canary.params);
  return first?.filter((param) => others.every((params) => params?.includes(param)));
}

/** Checks the parameters of one metric: one must select the canary, and its pods must report the same value. */
function checkParams(
  rollout: RolloutParts,
  analysis: Analysis,
  template: Place,
  metric: Place,
  pods: Place | undefined,
  registry: Registry | undefined,
  report: Report,
): void {
  const web = metric.at('provider', 'web');
  const url = web.at('url');
  const query = (url.text ?? '').split('?')[1] ?? '';
  const wanted = wantedParams(metric, registry);
  const inQuery = query.split('&').flatMap((piece) => {
    const [name = '', value = ''] = piece.split('=');
    const isOwn = name === environmentParam && wanted?.includes(name) !== true;
    return isOwn || /^(service|window|since|at|explain|pretty|)$/.test(name)
      ? []
      : [{ name, value, place: url }];
  });
  if (registry !== undefined && wanted?.includes(environmentParam) !== true)
    checkEnvironment(metric, registry, report);
  if (query.split('&').some((piece) => /^at(=|$)/.test(piece))) {
    report(
      'error',
      'asks-the-past',
      url,
      `Metric "${metric.at('name').text ?? ''}" asks about a moment in the past (at).`,
      'The answer has no verdict, so that the measurement is an error or inconclusive, whatever the canary does.',
      'Remove at from the URL.',
    );
  }
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
  const given = [...inQuery, ...inHeaders];
  const params = given.filter(({ name }) => wanted?.includes(name) ?? !/^(stable|baseline)/.test(name));
  const metricName = metric.at('name').text ?? '';
  const missing = wanted?.find((param) => !given.some(({ name }) => name === param));
  if (missing !== undefined || (wanted === undefined && params.length === 0)) {
    const header = headerName(missing ?? 'version');
    report(
      'error',
      'canary-not-told',
      url,
      `Metric "${metricName}" does not select the traffic of the canary${missing === undefined ? '' : `: ${missing} is missing`}.`,
      `The gate refuses the request${missing === undefined ? ', unless the selector in the registry has no parameter' : ''}.`,
      `Add the header X-Canary-${header} with the argument that has it${missing === undefined ? ', or use --registry to check its selector' : ''}.`,
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
      'Argo does not encode it: a version with a space, a + or a & changes the request, or gets a 400.',
      'Send it in a header: X-Canary-Version: "{{args.version}}".',
    );
  }
  for (const { name, value, place } of params) {
    const argName = /\{\{\s*args\.([^{}\s]+)\s*\}\}/.exec(value)?.[1];
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
        `Argument "${argName}" selects the canary by the hash of the stable pods.`,
        'The old version is judged, not the new one.',
        'Use podTemplateHashValue: Latest.',
      );
    } else if (hash.text === 'Latest' && isVersion) checkVersion(pods, rollout, { of: 'hash' }, report);
    else {
      const origin = originOf(arg.place.at('valueFrom', 'fieldRef', 'fieldPath').text ?? '');
      // A label that is called a version is one, whatever the parameter is called.
      const isOfVersion = isVersion || (origin?.of === 'rollout' && origin.key.endsWith('/version'));
      if (origin !== undefined && isOfVersion) checkVersion(pods, rollout, origin, report);
    }
  }
}

/** Whether the metric asks about the environment that the files are for: another one may have a laxer objective. */
function checkEnvironment(metric: Place, { environment }: Registry, report: Report): void {
  const url = metric.at('provider', 'web', 'url');
  const name = metric.at('name').text ?? '';
  const given = /[?&]environment=([^&]*)/.exec(url.text ?? '')?.[1];
  if (given === environment || given?.includes('{{') === true) return;
  if (given === undefined) {
    report(
      'warning',
      'environment-not-named',
      url,
      `Metric "${name}" does not name the environment.`,
      'The gate refuses the request, unless CUJ_GATE_ENVIRONMENT says which one it answers for.',
      `Add environment=${environment} to the query of the URL.`,
    );
    return;
  }
  report(
    'error',
    'other-environment',
    url,
    environment === undefined
      ? `Metric "${name}" asks about the environment "${given}", and the registry has no environments.`
      : `Metric "${name}" asks about the environment "${given}", and these files are for "${environment}".`,
    environment === undefined
      ? 'The gate refuses the request, which is an error to Argo; enough errors abort the rollout.'
      : 'The release is judged by the traffic and the objectives of another environment.',
    environment === undefined
      ? 'Remove environment from the URL.'
      : `Write environment=${environment}, or give --environment ${given} where the files are for that one.`,
  );
}

function fixedVersion(value: string, place: Place, report: Report): void {
  // Helm, or an experiment, replaces it.
  if (value.includes('{{')) return;
  report(
    'error',
    'fixed-version',
    place,
    `The version is always "${value}".`,
    'Every other release is judged by the traffic of another version, or by none.',
    'Read it from the Rollout: podTemplateHashValue: Latest, or fieldRef: spec.template.metadata.labels.version.',
  );
}
