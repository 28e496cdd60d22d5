import type { Verdict } from '../../domain/judge/judge.ts';
import type { AskedAbout } from '../../domain/ports/verdict-history.ts';
import type { Cuj, Service } from '../../domain/registry/model.ts';
import { permalinkOf } from '../pages/permalink.ts';
import type { AppPorts } from '../server/ports.ts';

/** A verdict of a CUJ, as far as the moment of its link depends on it. */
export interface LinkedVerdict {
  readonly verdict: Pick<Verdict, 'window'>;
  readonly cuj: Pick<Cuj, 'gate'>;
}

export interface VerdictLinks {
  /** The path of the page of a verdict; with its moment, where the gate can show moments of the past. */
  path(about: AskedAbout, judged: readonly LinkedVerdict[]): string;
  /** The same as a URL; undefined where CUJ_GATE_PUBLIC_URL is not set. */
  of(about: AskedAbout, judged: readonly LinkedVerdict[]): string | undefined;
}

export function createVerdictLinks(ports: AppPorts): VerdictLinks {
  const publicUrl = ports.pages?.publicUrl;
  const showsPast =
    ports.authenticator !== undefined ||
    ports.tls?.ca !== undefined ||
    ports.allowUnauthenticatedPast === true ||
    ports.history?.keepsChanges === true;

  function path({ kind, name, params, service }: AskedAbout, judged: readonly LinkedVerdict[]): string {
    const registry = ports.registry()?.registry;
    const names = kind === 'service' ? [name] : (registry?.cujs.get(name)?.services ?? []);
    const services = names.flatMap((one): Service[] => {
      const found = registry?.services.get(one);
      return found === undefined ? [] : [found];
    });
    const all = new Map(Object.entries({ ...params, ...(service === undefined ? {} : { service }) }));
    const atMs = showsPast ? judged.map(momentOf).find((moment) => moment !== undefined) : undefined;
    return permalinkOf(kind === 'cuj' ? 'v' : 'r', name, services, all, atMs);
  }

  return {
    path,
    of: (about, judged) => (publicUrl === undefined ? undefined : `${publicUrl}${path(about, judged)}`),
  };
}

/** The moment as of which the same data would be judged, epoch ms. Undefined where nothing was measured. */
export function momentOf({ verdict: { window }, cuj }: LinkedVerdict): number | undefined {
  if (window === undefined) return undefined;
  const incompleteMs = 1_000 * (window.incompleteSeconds ?? 0);
  return Date.parse(window.to) + cuj.gate.lagMs + incompleteMs;
}
