import type { Report } from './finding.ts';
import type { Analysis, RolloutParts } from './rollout-parts.ts';
import type { Place } from './yaml-node.ts';

/** Every argument that a template requires must be set, from a source that exists. */
export function checkArgs(rollout: RolloutParts, analysis: Analysis, template: Place, report: Report): void {
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

/** The fields of a Rollout's metadata that Argo reads without a key. */
const metadataFields = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'metadata.labels',
  'metadata.annotations',
];

function checkFieldRef(rollout: RolloutParts, name: string, arg: Place, report: Report): void {
  const field = arg.at('valueFrom', 'fieldRef', 'fieldPath');
  const path = field.text;
  if (path === undefined) return;
  const empty = (message: string, meaning: string, fix: string) =>
    report('error', 'empty-arg', field, `Argument "${name}" is taken from ${message}`, meaning, fix);
  const [, what, key] = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path) ?? [];
  if (what !== undefined && key !== undefined) {
    if ((rollout.place.at('metadata', what, key).text ?? '') !== '') return;
    const ofPods = rollout.place.at('spec', 'template', 'metadata', what, key);
    const value =
      ofPods.text === undefined
        ? ''
        : ` with the value that its pods have ("${ofPods.text}", line ${ofPods.line}),`;
    empty(
      `the Rollout's ${what.slice(0, -1)} "${key}", which it does not have.`,
      'It becomes the empty string; the gate refuses the request, and enough errors abort the rollout.',
      `Add it to the Rollout's own metadata,${value} or use a label of its pods: spec.template.metadata.labels.KEY.`,
    );
    return;
  }
  if (path.startsWith('metadata')) {
    if (metadataFields.includes(path)) return;
    const label = /^metadata\.(?:labels|annotations)\.(.+)$/.exec(path)?.[1];
    empty(
      `${path}, which is not a path that Argo reads.`,
      'Argo refuses the Rollout.',
      label === undefined
        ? "Write metadata.labels['KEY']."
        : `Write ${path.slice(0, -label.length - 1)}['${label}'].`,
    );
    return;
  }
  const steps = path.split(/[.[\]]+/).filter((step) => step !== '');
  if (steps[0] !== 'spec' || (rollout.place.at(...steps).text ?? '') !== '') return;
  const at = path.indexOf('labels.');
  const behind = at < 0 ? '' : path.slice(at + 'labels.'.length);
  const dotted = behind.includes('.') ? behind : undefined;
  if (steps[1] === 'template' && rollout.place.at('spec', 'workloadRef').exists) {
    empty(
      `${path}, but the pod template is in another object (workloadRef).`,
      'Argo reads only the Rollout and cannot create the analysis run.',
      "Use podTemplateHashValue: Latest, or a label of the Rollout itself: metadata.labels['KEY'].",
    );
  } else if (
    dotted !== undefined &&
    rollout.place.at('spec', 'template', 'metadata', 'labels', dotted).exists
  ) {
    empty(
      `${path}, where the Rollout has nothing.`,
      'Argo splits the path at dots, so it cannot reach a label with a dot in its key.',
      'Add a label without dots to the pods (version), or use pod-template-hash.',
    );
  } else {
    empty(
      `${path}, where the Rollout has nothing.`,
      'Argo cannot create the analysis run.',
      'Correct the path.',
    );
  }
}
