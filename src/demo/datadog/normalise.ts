/**
 * What Datadog stores for a tag value or a resource name: lower case, every run of anything but letters, digits,
 * `:` `.` `/` `-` made one `_`, no `_` at the end, 200 characters at most.
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
  // FNV's low bits barely differ between similar texts; one more mix makes the shuffle a shuffle.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
