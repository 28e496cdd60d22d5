import type { ReleaseInProgress } from '../../domain/ports/verdict-history.ts';

/** The path of the page of what was asked about. */
export function pathOfRelease({ about }: Pick<ReleaseInProgress, 'about'>): string {
  const { kind, name, params, service } = about;
  const query = new URLSearchParams({ ...params, ...(service === undefined ? {} : { service }) }).toString();
  return `/${kind === 'cuj' ? 'cujs' : 'services'}/${encodeURIComponent(name)}/status${query === '' ? '' : `?${query}`}`;
}
