import { dayMs } from '../../../domain/duration.ts';
import type { SourceDialect } from '../../../domain/registry/source-dialect.ts';
import { likelyMistakesOf } from './likely-mistakes.ts';
import { maxResourceListLength } from './query-plan-types.ts';
import { parseSourceTemplate } from './source-template.ts';
import { isSafeTagValue, maxTagValueLength, normalizeTagValue, resourceNameOf } from './tag-normalization.ts';
import { routeParametersOf, statusOfOperation } from './tracer-operations.ts';

/** Datadog, as the registry's resolution sees it. */
export const datadogDialect: SourceDialect = {
  backend: 'Datadog',
  versionTag: 'DD_VERSION or the label tags.datadoghq.com/version',
  addressSetting: 'DD_URL',
  parseSource: parseSourceTemplate,
  isTagKey: (key) => /^[a-z][a-z0-9_./-]*$/.test(key),
  tagKeyCharacters: 'a-z 0-9 _ . / -',
  storedTagValue: normalizeTagValue,
  isSafeTagValue,
  tagValueCharacters: 'a-z 0-9 _ - : . /',
  maxTagValueLength,
  endpointTag: 'resource_name',
  endpointKey: resourceNameOf,
  maxEndpointListLength: maxResourceListLength,
  tellsCallsLeft: true,
  countsClients: true,
  countsSpans: true,
  // Datadog keeps metrics, trace metrics among them, for 15 months.
  retentionMs: 456 * dayMs,
  likelyMistakes: likelyMistakesOf,
  statusOf: statusOfOperation,
  routeParameters: routeParametersOf,
};
