import type { AskedAbout, ReleaseInProgress } from '../../domain/ports/verdict-history.ts';
import { cujCalled, type Registry } from '../../domain/registry/model.ts';

/** The path of the page of what was asked about. */
export function pathOfRelease({ about }: Pick<ReleaseInProgress, 'about'>): string {
  const { kind, name, params, service } = about;
  const query = new URLSearchParams({ ...params, ...(service === undefined ? {} : { service }) }).toString();
  return `/${kind === 'cuj' ? 'cujs' : 'services'}/${encodeURIComponent(name)}/status${query === '' ? '' : `?${query}`}`;
}

/** The services that a question is about. Another service may release a version of the same name. */
export function servicesOfQuestion(registry: Registry, { kind, name }: AskedAbout): readonly string[] {
  return kind === 'service' ? [name] : (cujCalled(registry, name)?.services ?? []);
}
