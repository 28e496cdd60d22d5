import { CallerError } from '../../domain/errors.ts';
import { paramsOf } from '../../domain/metrics/evaluation-request.ts';
import type { Service } from '../../domain/registry/model.ts';

/**
 * Short paths of verdicts, without `&`, which chat programs and Argo CD cut or escape: `/v/signup/v1.42.0/2026-11-24T12:04:20Z`. A
 * question with several parameters has all of them: `/v/signup/version=v1.42.0,stable_version=v1.41.3/…`.
 */

export type PermalinkKind = 'v' | 'r';

export function permalinkOf(
  kind: PermalinkKind,
  name: string,
  services: readonly Service[],
  params: ReadonlyMap<string, string>,
  atMs: number | undefined,
): string {
  const at = atMs === undefined ? [] : [new Date(atMs).toISOString().replace('.000Z', 'Z')];
  const parts = [name, paramsText(services, params), ...at];
  return `/${kind}/${parts.map((part) => encodeURIComponent(part).replaceAll('%3A', ':').replaceAll('%3D', '=').replaceAll('%2C', ',')).join('/')}`;
}

function paramsText(services: readonly Service[], params: ReadonlyMap<string, string>): string {
  const { required } = paramsOf(services);
  const [only] = params.values();
  const isOnly = params.size === 1 && required.length === 1 && params.has(required[0] as string);
  if (isOnly && !/[=,]|^-$/.test(only as string)) return only as string;
  if (params.size === 0) return '-';
  return [...params].map(([name, value]) => `${name}=${value}`).join(',');
}

/** The parameters of a short path. Throws CallerError where the path does not say which. */
export function paramsOfPermalink(services: readonly Service[], text: string): Map<string, string> {
  if (text === '-') return new Map();
  if (text.includes('=')) {
    return new Map(
      text.split(',').map((piece): [string, string] => {
        const at = piece.indexOf('=');
        return at < 0 ? [piece, ''] : [piece.slice(0, at), piece.slice(at + 1)];
      }),
    );
  }
  const { required } = paramsOf(services);
  if (required.length !== 1) {
    throw new CallerError(
      'invalid_request',
      `The link has one value, and the selectors take ${required.length === 0 ? 'none' : required.join(', ')}.`,
      `Write them with their names: ${required.map((name) => `${name}=...`).join(',') || '-'}.`,
    );
  }
  return new Map([[required[0] as string, text]]);
}
