/**
 * Datadog's normalisation of tag values and resource names, so that the gate asks for what is stored.
 * Source: the trace agent's tag normaliser and the trace-metrics documentation: lower case, every run of characters
 * other than letters, digits, `:` `.` `/` `-` becomes one `_`, a trailing `_` is dropped, cut at 200.
 */

export const maxTagValueLength = 200;

/** What Datadog stores for a tag value. `V2.1+build7` is `v2.1_build7`; what has nothing to keep is the empty string. */
export function normalizeTagValue(raw: string): string {
  return raw
    .toLowerCase()
    .replace(/[^\p{L}\p{N}:./-]+/gu, '_')
    .slice(0, maxTagValueLength)
    .replace(/_+$/, '');
}

/** The `resource_name` of a route: `PUT /api/product/{id}/wish-list` is `put_/api/product/_id_/wish-list`. */
export function resourceNameOf(method: string, path: string): string {
  return normalizeTagValue(`${method} ${path}`);
}

/** Whether a text may enter a query as it stands: no escaping is documented, so only the stored alphabet may. */
export function isSafeTagValue(value: string): boolean {
  return value.length <= maxTagValueLength && /^[a-z0-9_:./-]+$/.test(value);
}
