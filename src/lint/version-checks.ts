import type { Report } from './finding.ts';
import type { RolloutParts } from './rollout-parts.ts';
import type { Place } from './yaml-node.ts';

export const hashLabel = 'rollouts-pod-template-hash';
export const versionTag = 'tags.datadoghq.com/version';

/** Where an analysis takes the canary's version from. */
export type VersionOrigin =
  | { readonly of: 'hash' }
  | { readonly of: 'pods'; readonly label: string }
  /** The Rollout's own metadata: Argo cannot reach a pod's label with a dot in its key. */
  | { readonly of: 'rollout'; readonly member: 'labels' | 'annotations'; readonly key: string };

/** A version that the pods give to Datadog. */
export interface Reported {
  readonly place: Place;
  /** `DD_VERSION`. */
  readonly what: string;
  /** The pods' label that it is taken from. */
  readonly label: string | undefined;
  /** Undefined where these files do not have it. */
  readonly value: string | undefined;
}

/** What an argument's `fieldRef` takes the version from; undefined for what is not a label or an annotation. */
export function originOf(fieldPath: string): VersionOrigin | undefined {
  const label = /^spec\.template\.metadata\.labels\.([^.]+)$/.exec(fieldPath)?.[1];
  if (label !== undefined) return { of: 'pods', label };
  const [, member, key] = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(fieldPath) ?? [];
  return key === undefined ? undefined : { of: 'rollout', member: member as 'labels' | 'annotations', key };
}

/** Whether the pods report to Datadog the version that the analysis passes to the gate. */
export function checkVersion(
  pods: Place | undefined,
  rollout: RolloutParts,
  origin: VersionOrigin,
  report: Report,
): void {
  if (pods === undefined || !pods.exists) return;
  const reported = reportedBy(pods);
  if (reported.length > 0) {
    if (origin.of === 'rollout') checkOwnMetadata(pods, rollout, origin, reported, report);
    else checkPodLabel(pods, rollout, origin, reported[0] as Reported, report);
  } else if (!maySetElsewhere(pods)) {
    const source = origin.of === 'hash' ? hashLabel : origin.of === 'pods' ? origin.label : versionTag;
    report(
      'error',
      'no-version',
      pods.at('spec', 'containers').exists ? pods.at('spec', 'containers') : pods,
      `The pods of Rollout "${rollout.name}" have neither DD_VERSION nor the label ${versionTag}.`,
      'Datadog stores no version with their traffic: canary and stable are indistinguishable.',
      origin.of === 'rollout'
        ? `Add the label ${versionTag} to spec.template.metadata.labels, with the value of the Rollout's own, and the variable DD_VERSION with fieldRef: ${labelField(versionTag)}.`
        : `Add the variable DD_VERSION with fieldRef: ${labelField(source)}.`,
    );
  }
}

/** DD_VERSION of each container, which wins over the label. */
export function reportedBy(pods: Place): Reported[] {
  const labels = pods.at('metadata', 'labels');
  const variables = containersOf(pods)
    .flatMap((container) => container.at('env').items)
    .filter((each) => each.at('name').text === 'DD_VERSION')
    .map((place): Reported => {
      const field = place.at('valueFrom', 'fieldRef', 'fieldPath').text ?? '';
      const label = /^metadata\.labels\['([^']+)'\]$/.exec(field)?.[1];
      const value = label === undefined ? place.at('value').text : labels.at(label).text;
      return { place, what: 'DD_VERSION', label, value };
    });
  const tag = labels.at(versionTag);
  return variables.length > 0 || !tag.exists
    ? variables
    : [{ place: tag, what: `the label ${versionTag}`, label: undefined, value: tag.text }];
}

/** A ConfigMap, or OpenTelemetry's attributes, may set the version; these are not checked. */
function maySetElsewhere(pods: Place): boolean {
  const containers = containersOf(pods);
  const attributes = containers
    .flatMap((container) => container.at('env').items)
    .filter((each) => each.at('name').text === 'OTEL_RESOURCE_ATTRIBUTES');
  return (
    containers.some((container) => container.at('envFrom').exists) ||
    attributes.some((each) => /service\.version=/.test(each.at('value').text ?? ''))
  );
}

export function containersOf(pods: Place): Place[] {
  return pods.at('spec', 'containers').items;
}

/** The analysis uses the hash, or a label, of the pods. */
function checkPodLabel(
  pods: Place,
  rollout: RolloutParts,
  origin: VersionOrigin & { of: 'hash' | 'pods' },
  { place, label, value }: Reported,
  report: Report,
): void {
  const wanted = origin.of === 'hash' ? hashLabel : origin.label;
  const asked = origin.of === 'hash' ? undefined : pods.at('metadata', 'labels', wanted);
  // A missing label is reported where it is used.
  if (asked !== undefined && asked.text === undefined) return;
  const isSame = label === wanted || (asked !== undefined && value === asked.text);
  // A version from another source, such as a ConfigMap, is not checked.
  if (isSame || (label === undefined && value === undefined)) return;
  const uses =
    asked === undefined
      ? `the label ${wanted}`
      : `the label ${wanted}, "${asked.text}" (${at(asked, place)})`;
  report(
    'error',
    'version-mismatch',
    place,
    `The pods of Rollout "${rollout.name}" report ${label === undefined ? `"${value}"` : `the label ${label}`} as their version; the analysis uses ${uses}.`,
    'The gate finds no traffic of the canary, and every verdict is inconclusive.',
    `Let DD_VERSION be fieldRef: ${labelField(wanted)}, or use its source in the analysis.`,
  );
}

/** The analysis uses a label of the Rollout itself, of which the pods must have a copy. */
function checkOwnMetadata(
  pods: Place,
  rollout: RolloutParts,
  { member, key }: VersionOrigin & { of: 'rollout' },
  reported: readonly Reported[],
  report: Report,
): void {
  const own = rollout.place.at('metadata', member, key);
  const asked = own.text ?? '';
  // A missing label is reported where it is used.
  if (asked === '' || isFilledLater(asked)) return;
  if (reported.some(isUnknown)) return;
  const ownWords = `The ${member.slice(0, -1)} ${key} of Rollout "${rollout.name}" is "${asked}" (${at(own, own)})`;
  const fix = `Give both the version of this release, in one commit: metadata.${member} and spec.template.metadata.labels['${key}'], with DD_VERSION from fieldRef: ${labelField(key)}.`;
  // A sidecar may have a version of its own.
  if (!reported.some(({ value }) => isSameTag(value, asked))) {
    const { found, stored } = findingOf(reported[0] as Reported, own);
    report(
      'error',
      'version-mismatch',
      own,
      `${ownWords}, but its pods report ${found}.`,
      stored === undefined
        ? 'Datadog stores no version with their traffic: canary and stable are indistinguishable.'
        : `The gate is asked about "${asked}", and Datadog has the traffic of the new pods under ${stored}: the version before is judged, or none.`,
      fix,
    );
    return;
  }
  const tag = pods.at('metadata', 'labels', versionTag);
  if (key !== versionTag || !tag.exists || isFilledLater(tag.text ?? '') || isSameTag(tag.text, asked))
    return;
  report(
    'error',
    'version-mismatch',
    own,
    `${ownWords}, but the same label of its pods is "${tag.text}" (${at(tag, own)}).`,
    'Datadog gets two versions of the same pods: traces by DD_VERSION, all else by the label.',
    fix,
  );
}

/** What pods report in place of the version of the Rollout's own metadata; `stored` is undefined where it is nothing. */
function findingOf({ place, what, label, value = '' }: Reported, own: Place) {
  const line = at(place, own);
  if (label === hashLabel) return { found: `their template hash (${what}, ${line})`, stored: 'their hash' };
  if (value === '') {
    const source = label === undefined ? '' : ` is taken from their label ${label}, which they do not have`;
    return {
      found: `no version: ${what} (${line})${source === '' ? ' is empty' : source}`,
      stored: undefined,
    };
  }
  const from = label === undefined ? '' : ` from their label ${label}`;
  return { found: `"${value}" (${what}${from}, ${line})`, stored: `"${value}"` };
}

/** Nothing in these files says what the version is, such as that of a ConfigMap. */
function isUnknown({ label, value }: Reported): boolean {
  return value === undefined ? label === undefined : isFilledLater(value);
}

/** Kubernetes, or what writes the manifest, replaces it. */
export function isFilledLater(value: string): boolean {
  return /\$[({]|\{\{/.test(value);
}

/** Datadog stores tags in lower case. */
export function isSameTag(value: string | undefined, other: string): boolean {
  return value?.toLowerCase() === other.toLowerCase();
}

function labelField(key: string): string {
  return `metadata.labels['${key}']`;
}

/** `line 12`, with the file where it is not that of the finding. */
function at({ file, line }: Place, finding: Place): string {
  return file === finding.file ? `line ${line}` : `${file}:${line}`;
}
