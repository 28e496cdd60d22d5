/**
 * What Datadog stores for a tag value or a resource name: lower case, with one `_` in place of every run of characters
 * other than letters, digits, `:` `.` `/` `-`, without a `_` at the end, 200 characters at most.
 *
 * A second implementation on purpose: no test would detect a mistake that the gate and the simulator share.
 */
export function normaliseTagValue(raw: string): string {
  return raw
    .toLowerCase()
    .replace(/[^\p{L}\p{Nd}:./-]+/gu, '_')
    .replace(/_$/, '')
    .slice(0, 200);
}

/** FNV-1a, 32 bits: small, stable and good enough for `resource` hashes and for shuffling answers. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  // FNV's low bits barely differ between similar texts: without another mixing step the shuffle keeps their order.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
