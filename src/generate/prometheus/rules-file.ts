import { oneLine } from '../../domain/outside-text.ts';
import type { GeneratedFile } from '../output/generated-file.ts';
import { type YamlNote, yamlText } from '../output/yaml-text.ts';

/** Rules of Prometheus, and the files that they are written into. */

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RuleGroup {
  readonly name: string;
  /** How often it is evaluated; absent: as Prometheus is configured. */
  readonly interval?: string;
  readonly rules: readonly (RecordingRule | AlertingRule)[];
}

/** Groups that belong together, with their comment. */
export interface OwnedGroups {
  /** A Kubernetes name: of the object that holds them. */
  readonly name: string;
  readonly owner?: string;
  readonly groups: readonly RuleGroup[];
}

/** `file`: what `rule_files` of Prometheus names. `prometheus-rule`: objects of the Prometheus Operator, one for each owner of groups. */
export const rulesFormats = ['file', 'prometheus-rule'] as const;
export type RulesFormat = (typeof rulesFormats)[number];

/** One file of all groups, or one for each PrometheusRule. `name` is that of the file, without its ending. */
export function rulesFiles(
  name: string,
  head: readonly string[],
  all: readonly OwnedGroups[],
  format: RulesFormat = 'file',
  namespace?: string,
): GeneratedFile[] {
  if (format === 'prometheus-rule') {
    return all.map((owned) => ({
      path: `prometheus/${owned.name}.yaml`,
      text: yamlText([
        {
          head,
          value: {
            apiVersion: 'monitoring.coreos.com/v1',
            kind: 'PrometheusRule',
            metadata: {
              name: owned.name,
              ...(namespace === undefined ? {} : { namespace }),
              labels: { 'app.kubernetes.io/managed-by': 'cuj-gate' },
            },
            spec: { groups: owned.groups },
          },
          ...(owned.owner === undefined
            ? {}
            : { notes: [{ at: ['spec'], lines: [`Owner: ${owned.owner}`] }] }),
        },
      ]),
    }));
  }
  const groups = all.flatMap((owned) => owned.groups);
  let at = 0;
  const notes: YamlNote[] = all.flatMap(({ owner, groups: { length } }) => {
    const first = at;
    at += length;
    return owner === undefined || length === 0 ? [] : [{ at: ['groups', first], lines: [`Owner: ${owner}`] }];
  });
  return [{ path: `prometheus/${name}.rules.yaml`, text: yamlText([{ head, value: { groups }, notes }]) }];
}

/** A text of labels and annotations, in one line. `{{`, which Prometheus expands there, is taken apart. */
export function ruleText(of: string): string {
  return oneLine(of).replace(/\{(?=\{)/g, '{ ');
}
