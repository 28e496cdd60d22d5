import type { LintInput } from './finding.ts';
import { byName, podsOf } from './templates.ts';
import {
  containersOf,
  hashLabel,
  isFilledLater,
  isSameTag,
  type Reported,
  reportedBy,
  versionTag,
} from './version-checks.ts';
import { type Place, placesIn } from './yaml-node.ts';

/** Where an existing Rollout has the version that its pods report to Datadog. */
export interface RolloutVersion {
  readonly rollout: string;
  readonly file: string;
  readonly line: number;
  /** What Datadog may know the service by, the surest first; the Rollout's own name last. */
  readonly services: readonly string[];
  /** Undefined where Argo cannot read it. */
  readonly source: VersionSource | undefined;
  /** Why it is the source, or why there is none. */
  readonly reason: string;
  /** What to do where there is no source. */
  readonly fix: string | undefined;
}

/** The pod template hash; or a label: of the pods, or of the Rollout itself where its key has a dot. */
export type VersionSource = { readonly of: 'hash' } | { readonly of: 'label'; readonly key: string };

type Found = Pick<RolloutVersion, 'source' | 'reason' | 'fix'>;

/** Labels that people keep a version in, the most common one of Datadog's users first. */
const readableLabels = [versionTag, 'app.kubernetes.io/version', 'version'];

/**
 * The source of the version of every Rollout in the files, with Deployments that they refer to looked up in the same files.
 * Documents that cannot be read are in `unreadable`, as `FILE:LINE: why`. Pure.
 */
export function versionsOfRollouts(inputs: readonly LintInput[]): {
  readonly versions: readonly RolloutVersion[];
  readonly unreadable: readonly string[];
} {
  const documents: Place[] = [];
  const unreadable: string[] = [];
  for (const { file, text } of inputs) {
    const read = placesIn(file, text);
    documents.push(...read.documents);
    unreadable.push(...read.unreadable.map(({ place, message }) => `${file}:${place.line}: ${message}`));
  }
  const ofKind = (kind: string) => documents.filter((place) => place.at('kind').text === kind);
  const deployments = byName(ofKind('Deployment'));
  const versions = ofKind('Rollout').flatMap((rollout) => {
    const pods = podsOf(rollout, deployments);
    if (pods === undefined) return [];
    const { file, line } = rollout.at('metadata', 'name');
    const name = rollout.at('metadata', 'name').text ?? '(no name)';
    return [
      { rollout: name, file, line, services: servicesOf(rollout, pods, name), ...sourceOf(rollout, pods) },
    ];
  });
  return { versions, unreadable };
}

function servicesOf(rollout: Place, pods: Place, name: string): string[] {
  const labels = [pods, rollout].map(
    (place) => place.at('metadata', 'labels', 'tags.datadoghq.com/service').text,
  );
  const variables = containersOf(pods)
    .flatMap((container) => container.at('env').items)
    .filter((each) => each.at('name').text === 'DD_SERVICE')
    .map((each) => each.at('value').text);
  return [...new Set([...variables, ...labels, name].filter((each) => each !== undefined))];
}

function sourceOf(rollout: Place, pods: Place): Found {
  const [reported] = reportedBy(pods);
  if (reported === undefined) {
    return {
      source: { of: 'hash' },
      reason: `its pods have no DD_VERSION yet: set it from the label ${hashLabel}`,
      fix: undefined,
    };
  }
  const key = reported.label ?? (reported.what === 'DD_VERSION' ? undefined : versionTag);
  return key === undefined ? ofLiteral(rollout, pods, reported) : ofLabel(rollout, pods, key);
}

function ofLabel(rollout: Place, pods: Place, key: string): Found {
  if (key === hashLabel)
    return { source: { of: 'hash' }, reason: `DD_VERSION is the label ${key}`, fix: undefined };
  const ofPods = pods.at('metadata', 'labels', key).text;
  if (ofPods === undefined) {
    return {
      source: undefined,
      reason: `DD_VERSION is the label ${key}, which the pods do not have`,
      fix: `Add the label to spec.template.metadata.labels.`,
    };
  }
  if (!key.includes('.'))
    return { source: { of: 'label', key }, reason: `DD_VERSION is the label ${key}`, fix: undefined };
  const own = rollout.at('metadata', 'labels', key).text;
  if (own !== undefined && (isSameTag(own, ofPods) || isFilledLater(own) || isFilledLater(ofPods)))
    return {
      source: { of: 'label', key },
      reason: `the Rollout and its pods have the label ${key}`,
      fix: undefined,
    };
  return {
    source: undefined,
    reason:
      own === undefined
        ? `the version is the label ${key} of the pods, and Argo Rollouts cannot read a label of the pods with a dot in its key`
        : `the label ${key} of the Rollout is "${own}", and that of its pods "${ofPods}"`,
    fix: `Give the Rollout itself (metadata.labels) the label ${key}, with the value of its pods.`,
  };
}

/** A version that is written out must be in a label as well, which changes with it. */
function ofLiteral(rollout: Place, pods: Place, { value }: Reported): Found {
  const isVersion = (place: Place) => value !== undefined && value !== '' && isSameTag(place.text, value);
  const key = readableLabels.find((each) =>
    isVersion((each.includes('.') ? rollout : pods).at('metadata', 'labels', each)),
  );
  if (key !== undefined)
    return {
      source: { of: 'label', key },
      reason: `the label ${key} is the same as DD_VERSION`,
      fix: undefined,
    };
  return {
    source: undefined,
    reason:
      value === undefined
        ? 'these files do not say what DD_VERSION is'
        : `DD_VERSION is "${value}", and no label has this value`,
    fix: `Let DD_VERSION be fieldRef: metadata.labels['version'], with the label version on the pods; or metadata.labels['${hashLabel}'].`,
  };
}
