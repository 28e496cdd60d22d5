import { RouteCheck } from './duplicate-routes.ts';
import { type Finding, type RegistryInput, type Report, Reporter } from './findings.ts';
import type { Cuj, QueryBatch, Registry } from './model.ts';
import { planBatches } from './query-batches.ts';
import { resolveCuj } from './resolve-cuj.ts';
import { collectDefaults } from './resolve-defaults.ts';
import { checkNamedServices } from './resolve-endpoints.ts';
import { resolveServices, resolveSources, warnOfServices } from './resolve-services.ts';
import type { SourceDialect } from './source-dialect.ts';

export type Resolution =
  | {
      readonly ok: true;
      readonly registry: Registry;
      /** What is most likely a mistake, and may be right. */
      readonly warnings: readonly Finding[];
    }
  | {
      readonly ok: false;
      readonly findings: readonly Finding[];
      /** How many more there were. */
      readonly omitted: number;
    };

export interface ResolveOptions {
  /** Of the backend that measures the services. */
  readonly dialect: SourceDialect;
  /** Some file of the registry could not be read at all, so that a name without a definition may be defined there. */
  readonly incomplete?: boolean;
}

/** More problems than this are counted, not kept. */
export const maxFindings = 1000;

/**
 * The registry from its files, or everything that the schema cannot see: names that must exist elsewhere or only once,
 * decimals, durations that contradict each other, selectors, source templates. Pure.
 */
export function resolveRegistry(
  inputs: readonly RegistryInput[],
  digest: string,
  options: ResolveOptions,
): Resolution {
  const steps = resolveInSteps(inputs, digest, options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** {@link resolveRegistry}, which pauses after every CUJ, so that the caller can do other work in between. */
export function* resolveInSteps(
  inputs: readonly RegistryInput[],
  digest: string,
  { dialect, incomplete = false }: ResolveOptions,
): Generator<undefined, Resolution, undefined> {
  const findings: Finding[] = [];
  let omitted = 0;
  const report: Report = (finding) => {
    if (findings.length < maxFindings) findings.push(finding);
    else omitted += 1;
  };
  const warnings: Finding[] = [];
  const warn: Report = (finding) => {
    if (warnings.length < maxFindings) warnings.push(finding);
  };
  const complete = !incomplete;
  const defaults = collectDefaults(inputs, complete, report);
  const sources = resolveSources(inputs, dialect, report);
  const services = resolveServices(inputs, sources, dialect, complete, report);
  const scope = { services, serviceNames: [...services.keys()], sources, dialect, complete };
  const cujs = new Map<string, Cuj>();
  const routes = new RouteCheck(cujs, dialect, report);
  const names = new CujNames();
  let count = 0;
  for (const { file, document, broken } of inputs) {
    for (const [index, cuj] of (document.cujs ?? []).entries()) {
      count += 1;
      const reporter = new Reporter(report, file, ['cujs', index]);
      // A CUJ that did not pass the schema still holds its name, if it has one.
      names.check((cuj as { readonly name?: unknown } | null)?.name, reporter);
      const isBroken = broken?.cujs.has(index) === true;
      const readable = isBroken ? broken.partial?.get(index) : cuj;
      if (readable === undefined) {
        checkNamedServices(cuj, scope, reporter);
        continue;
      }
      // What was taken out of a broken CUJ may be what a problem would report as missing.
      const base = isBroken ? { ...defaults, broken: true } : defaults;
      const resolved = resolveCuj(readable, base, scope, reporter);
      cujs.set(readable.name, resolved.cuj);
      for (const place of resolved.places) routes.add(place);
      yield;
    }
  }
  routes.finish(services, warn);
  if (count === 0 && complete) reportEmpty(inputs, report);
  if (findings.length > 0) return { ok: false, findings, omitted };
  warnOfServices(inputs, services, cujs.values(), warn);

  const known = <T>(all: ReadonlyMap<string, T | undefined>) => all as ReadonlyMap<string, T>;
  const batches = planBatches(known(services), cujs.values(), known(sources));
  const batchOfService = new Map<string, QueryBatch>();
  for (const batch of batches)
    for (const { service } of batch.services) batchOfService.set(service.name, batch);
  return {
    ok: true,
    registry: { digest, sources: known(sources), services: known(services), cujs, batches, batchOfService },
    warnings,
  };
}

/** CUJ names, which are unique over all files. A second use is reported at both places. */
class CujNames {
  readonly #first = new Map<string, { readonly reporter: Reporter; reported: boolean }>();

  check(name: unknown, reporter: Reporter): void {
    if (typeof name !== 'string') return;
    const first = this.#first.get(name);
    if (first === undefined) {
      this.#first.set(name, { reporter, reported: false });
      return;
    }
    const fix =
      'Rename the newer one: a name is never reused, because SLOs and analysis templates are made from it.';
    const place = (of: Reporter) => `cujs[${of.base[1]}] of ${of.file}`;
    const message = (of: Reporter) => `the CUJ name "${name}" is used by ${place(of)} as well`;
    if (!first.reported) first.reporter.value(['name'], 'duplicate-cuj', name, message(reporter), fix);
    first.reported = true;
    reporter.value(['name'], 'duplicate-cuj', name, message(first.reporter), fix);
  }
}

function reportEmpty(inputs: readonly RegistryInput[], report: Report): void {
  const first = inputs[0];
  const reporter = new Reporter(
    report,
    first?.file ?? '',
    first?.document.cujs === undefined ? [] : ['cujs'],
  );
  reporter.missing(
    [],
    'no-cujs',
    'the registry has no CUJs, so there is nothing to judge a release by',
    'Add at least one CUJ under cujs.',
  );
}
