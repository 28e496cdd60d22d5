import type { Cuj } from '../../domain/registry/model.ts';
import type { SliName } from '../../domain/sli/table.ts';

/**
 * Names of Terraform resources, made of CUJ names and of fixed words, so that no change of one CUJ moves the address of
 * another one. CUJ names contain no `_`, so the names are unique.
 */
export function cujResource(cuj: Pick<Cuj, 'name'>, sli: SliName): string {
  return `cuj_${cuj.name.replaceAll('-', '_')}_${sli}`;
}

/** A Terraform expression for the SLO's id. */
export function sloIdExpression(cuj: Pick<Cuj, 'name'>, sli: SliName): string {
  return `datadog_service_level_objective.${cujResource(cuj, sli)}.id`;
}

/** A text in which Terraform's expressions are escaped. */
export function literal(text: string): string {
  // A function, because `$$` in a replacement string means `$`.
  return text.replace(/[$%]\{/g, (start) => `${start[0]}${start}`);
}

/** Text of the registry for a monitor: Datadog expands `{{…}}` in titles and messages. */
export function withoutTemplates(text: string): string {
  return text.replace(/\{(?=\{)/g, '{ ');
}
