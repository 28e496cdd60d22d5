import { ceilTo } from '../../domain/duration.ts';
import type { AskedAbout } from '../../domain/ports/verdict-history.ts';
import { cujCalled, type Service } from '../../domain/registry/model.ts';
import { inEnvironment } from '../pages/page-context.ts';
import { permalinkOf } from '../pages/permalink.ts';
import type { AppPorts } from '../server/ports.ts';

export interface VerdictLinks {
  /**
   * The path of the page of a verdict that is given now, or of a moment, epoch ms; with the moment, where the gate can show moments of
   * the past.
   */
  path(about: AskedAbout, atMs?: number): string;
  /** The same as a URL; undefined where CUJ_GATE_PUBLIC_URL is not set. */
  url(about: AskedAbout, atMs?: number): string | undefined;
}

export function createVerdictLinks(ports: AppPorts): VerdictLinks {
  const publicUrl = ports.pages?.publicUrl;
  const showsPast =
    ports.authenticator !== undefined ||
    ports.tls?.ca !== undefined ||
    ports.allowUnauthenticatedPast === true ||
    ports.history?.keepsChanges === true;

  function path({ kind, name, params, service }: AskedAbout, momentMs = ports.now()): string {
    const registry = ports.registry()?.registry;
    const cuj = registry && kind === 'cuj' ? cujCalled(registry, name) : undefined;
    const names = kind === 'service' ? [name] : (cuj?.services ?? []);
    const services = names.flatMap((one): Service[] => {
      const found = registry?.services.get(one);
      return found === undefined ? [] : [found];
    });
    const all = new Map(Object.entries({ ...params, ...(service === undefined ? {} : { service }) }));
    // A moment names the answer that was given last before it, and this one is given in this second.
    // Nothing is kept of a retired CUJ, which says the same at any time.
    const atMs = showsPast && cuj?.retired === undefined ? ceilTo(momentMs, 1_000) : undefined;
    return inEnvironment(
      registry?.environment,
      permalinkOf(kind === 'cuj' ? 'v' : 'r', name, services, all, atMs),
    );
  }

  return {
    path,
    url: (about, atMs) => (publicUrl === undefined ? undefined : `${publicUrl}${path(about, atMs)}`),
  };
}
