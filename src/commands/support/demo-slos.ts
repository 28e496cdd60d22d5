import { Rejection } from '../../demo/datadog/rejection.ts';
import type { Simulator } from '../../demo/datadog/simulator.ts';
import type { SloDefinition } from '../../demo/datadog/slo.ts';
import type { Registry } from '../../domain/registry/model.ts';
import { terraform } from '../../generate/datadog/terraform.ts';

/** The part of a generated `datadog_service_level_objective` that Datadog is told. */
interface TerraformSlo {
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly thresholds: SloDefinition['thresholds'];
  readonly sli_specification: readonly {
    readonly count: readonly {
      readonly good_events_formula: string;
      readonly bad_events_formula: string;
      readonly queries: readonly {
        readonly metric_query: readonly SloDefinition['sli_specification']['count']['queries'][number][];
      }[];
    }[];
  }[];
}

interface TerraformFile {
  readonly resource?: { readonly datadog_service_level_objective?: Readonly<Record<string, TerraformSlo>> };
  readonly import?: readonly { readonly to: string; readonly id: string }[];
}

/**
 * Creates the SLOs of `cuj-gate generate terraform` in a simulator, as `terraform apply` does in Datadog. SLOs whose queries
 * the simulator cannot parse are left out: those of sources that it does not simulate.
 */
export function plantSlos(datadog: Pick<Simulator, 'addSlo'>, registry: Registry): void {
  const files = terraform(registry, { notify: [] })
    .filter(({ path }) => path.endsWith('.tf.json'))
    .map(({ text }) => JSON.parse(text) as TerraformFile);
  const ids = new Map(files.flatMap((file) => file.import ?? []).map(({ to, id }) => [to, id]));
  for (const file of files) {
    for (const [name, slo] of Object.entries(file.resource?.datadog_service_level_objective ?? {})) {
      const id = ids.get(`datadog_service_level_objective.${name}`);
      try {
        datadog.addSlo({ ...definitionOf(slo), ...(id === undefined ? {} : { id }) });
      } catch (error) {
        if (!(error instanceof Rejection)) throw error;
      }
    }
  }
}

function definitionOf({
  name,
  description,
  tags,
  thresholds,
  sli_specification,
}: TerraformSlo): SloDefinition {
  const count = sli_specification[0]?.count[0];
  if (count === undefined) throw new TypeError(`the generated SLO ${name} has no events`);
  return {
    name,
    // Terraform reads `$${` as `${`.
    description: description.replace(/([$%])\1\{/g, '$1{'),
    tags,
    thresholds,
    sli_specification: {
      count: {
        good_events_formula: { formula: count.good_events_formula },
        bad_events_formula: { formula: count.bad_events_formula },
        queries: count.queries.flatMap(({ metric_query }) => metric_query),
      },
    },
  };
}
