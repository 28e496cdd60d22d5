import type { Cuj } from '../../domain/registry/model.ts';
import type { SliName } from '../../domain/sli/table.ts';

/**
 * Names of Terraform resources. They are made of CUJ names, which are never renamed, and of closed sets of words, so
 * that no change of one CUJ, and no order, moves another one's address. CUJ names hold no `_`: two never become one.
 */
export function cujResource(cuj: Pick<Cuj, 'name'>, sli: SliName): string {
  return `cuj_${cuj.name.replaceAll('-', '_')}_${sli}`;
}

/** An expression that Terraform fills with the SLO's id. */
export function sloIdExpression(cuj: Pick<Cuj, 'name'>, sli: SliName): string {
  return `datadog_service_level_objective.${cujResource(cuj, sli)}.id`;
}

/** Text of people's, with what Terraform would take for an expression made harmless. */
export function literal(text: string): string {
  // A function, because a replacement's own `$$` means one `$`.
  return text.replace(/[$%]\{/g, (start) => `${start[0]}${start}`);
}
