import { createHash } from 'node:crypto';
import type { Cuj, Registry, Service } from '../../domain/registry/model.ts';
import { cujPage, linkAnnotation, startPage } from '../output/page-links.ts';
import type { YamlNote } from '../output/yaml-text.ts';

/** The prefix of the gate's labels and annotations. */
export const prefix = 'cuj-gate';

const label = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** Eight hex digits that distinguish names which would be the same after normalisation. */
function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/**
 * A valid name of a Kubernetes Service (RFC 1035: a letter first, then letters, digits and `-`, at most `max` characters).
 * A valid name is unchanged. Any other is normalised, and a hash of the original is appended.
 */
export function serviceObjectName(name: string, max = 50): string {
  if (label.test(name) && /^[a-z]/.test(name) && name.length <= max) return name;
  const normalised = name.replace(/[^a-z0-9]+/g, '-').replace(/^[^a-z]+/, '');
  return `${normalised.slice(0, max - 9).replace(/-+$/, '') || 'service'}-${shortHash(name)}`;
}

/** Whether a text is a valid value of a Kubernetes label. */
export function isLabelValue(text: string): boolean {
  return text.length <= 63 && /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(text);
}

/** Searchable facts: labels where the value is valid as a label's value, otherwise annotations. */
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
 * Annotations with the link to the page of a CUJ, or of several, which is the start page; none without `publicUrl`. A
 * service has no page without a version.
 */
export function pageAnnotations(
  publicUrl: string | undefined,
  environment: string | undefined,
  cujs: readonly (string | undefined)[],
): Record<string, string> {
  if (publicUrl === undefined) return {};
  const [cuj] = cujs;
  const page =
    cuj === undefined || cujs.length > 1
      ? startPage(publicUrl, environment)
      : cujPage(publicUrl, { name: cuj, environment });
  return { [linkAnnotation]: page };
}

/** The comment at such an annotation, below the metadata at a path. */
export function linkNotes(publicUrl: string | undefined, ...metadata: YamlNote['at']): YamlNote[] {
  if (publicUrl === undefined) return [];
  return [
    {
      at: [...metadata, 'annotations', linkAnnotation],
      lines: ['Argo CD shows a link to this page (--public-url).'],
    },
  ];
}

/**
 * Argo CD applies objects wave by wave, and those of one wave in no order that would put templates before Rollouts. Without an
 * annotation, an object is in wave 0.
 */
export const beforeRollouts = { 'argocd.argoproj.io/sync-wave': '-1' } as const;

/**
 * SHA-256 of one CUJ and its services, as the gate resolves them. It changes only if something changes that this CUJ is
 * judged by or shown with; the registry's digest changes with every byte.
 */
export function entryDigest(registry: Registry, cuj: Cuj): string {
  const services = cuj.services.map((name) => {
    // The dialect is code, not part of the registry: its changes must not change a digest.
    const { dialect: _, ...service } = registry.services.get(name) as Service;
    return service;
  });
  // Nothing that is generated depends on earlier names: to remove one must change no template.
  const { aliases: _, ...judged } = cuj;
  return `sha256:${createHash('sha256')
    .update(canonicalJson({ cuj: judged, services }))
    .digest('hex')}`;
}

/** JSON with sorted keys, so that the order of an object's members does not matter. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
