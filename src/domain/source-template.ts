/**
 * Sources as data: `sources:` of the registry. A template is parsed when the registry loads and written anew for every
 * question, in Datadog's boolean form only, so that what fills it can never change its shape.
 */

/** One condition of a template's filter. */
export type TemplateTerm =
  | { readonly kind: 'selector' }
  | { readonly kind: 'tag'; readonly key: string; readonly value: string; readonly negated: boolean }
  | {
      readonly kind: 'in';
      readonly key: string;
      readonly values: readonly string[];
      readonly negated: boolean;
    };

export interface QueryTemplate {
  /** The metric, such as `istio.mesh.request.count`. */
  readonly metric: string;
  /** Conditions that all hold. Values may hold `{service}` and `{env}`; exactly one term is the selector. */
  readonly terms: readonly TemplateTerm[];
}

export interface SourceTemplate {
  readonly name: string;
  readonly total: QueryTemplate;
  readonly bad: QueryTemplate;
  /** The tag that tells endpoints apart; without it only the whole service can be judged. */
  readonly groupBy: string | undefined;
}
