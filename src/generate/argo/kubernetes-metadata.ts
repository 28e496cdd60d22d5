import { createHash } from 'node:crypto';
import type { Cuj, Registry, Service } from '../../domain/registry/model.ts';

/** Labels and annotations of ours begin with this. */
export const prefix = 'cuj-gate';

const label = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** Eight hex digits that tell apart two names which Kubernetes would have to be given alike. */
function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/**
 * A name as Kubernetes takes it for a Service (RFC 1035: a letter first, letters, digits and `-`, at most `max`).
 * A name that is one already stays as it is; any other is mended and gets a hash of what it was.
 */
export function serviceObjectName(name: string, max = 50): string {
  if (label.test(name) && /^[a-z]/.test(name) && name.length <= max) return name;
  const mended = name.replace(/[^a-z0-9]+/g, '-').replace(/^[^a-z]+/, '');
  return `${mended.slice(0, max - 9).replace(/-+$/, '') || 'service'}-${shortHash(name)}`;
}

/** Whether Kubernetes takes a text as a label's value. */
export function isLabelValue(text: string): boolean {
  return text.length <= 63 && /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(text);
}

/** Searchable facts: labels where Kubernetes takes the value as one, annotations where it does not. */
export function searchable(facts: Readonly<Record<string, string | undefined>>): {
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
} {
  const labels: Record<string, string> = { 'app.kubernetes.io/managed-by': 'cuj-gate' };
  const annotations: Record<string, string> = {};
  for (const [key, value] of Object.entries(facts)) {
    if (value === undefined) continue;
    (isLabelValue(value) ? labels : annotations)[`${prefix}/${key}`] = value;
  }
  return { labels, annotations };
}

/**
 * SHA-256 of one CUJ with the services that it is measured on, as the gate understands them. It changes when, and only
 * when, something changes that this CUJ is judged by or shown with; the registry's own digest changes with every byte.
 */
export function entryDigest(registry: Registry, cuj: Cuj): string {
  const services = cuj.services.map((name) => {
    // The dialect is the program's, not the registry's: its wording must not change a digest.
    const { dialect: _, ...service } = registry.services.get(name) as Service;
    return service;
  });
  return `sha256:${createHash('sha256').update(canonicalJson({ cuj, services })).digest('hex')}`;
}

/** JSON with sorted keys, so that the order in which a program builds an object does not count. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
