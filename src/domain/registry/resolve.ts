import { type DialectOptions, readDialects } from './dialects-of-sources.ts';
import { RouteCheck } from './duplicate-routes.ts';
import { type Finding, type RegistryInput, type Report, Reporter } from './findings.ts';
import type { Cuj, QueryBatch, Registry } from './model.ts';
import { planBatches } from './query-batches.ts';
import { resolveCuj, retiredCuj } from './resolve-cuj.ts';
import { collectDefaults } from './resolve-defaults.ts';
import { checkNamedServices } from './resolve-endpoints.ts';
import { warnOfFailures } from './resolve-failures.ts';
import {
  checkEnvironmentPlaceholder,
  resolveServices,
  resolveSources,
  warnOfServices,
} from './resolve-services.ts';
import type { AnyCujDocument, CujDocument } from './schema.ts';
import { warnOfThresholds, warnOfThresholdsInsideBuckets } from './threshold-warnings.ts';

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

export interface ResolveOptions extends DialectOptions {
  /** Some file of the registry could not be read at all, so that a name without a definition may be defined there. */
  readonly incomplete?: boolean;
  /** Which environment the files are read for: they are its documents. */
  readonly environment?: string;
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
  { incomplete = false, environment, ...backends }: ResolveOptions,
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
  const ofEnvironment = environment === undefined ? {} : { environment };
  const defaults = collectDefaults(inputs, complete, report);
  const dialects = readDialects(inputs, backends, report);
  const sources = resolveSources(inputs, dialects, report);
  const services = resolveServices(inputs, sources, dialects, complete, report, environment);
  if (environment !== undefined) checkEnvironmentPlaceholder(inputs, services, report);
  const serviceNames = [...services.keys()];
  const scope = { services, serviceNames, sources, dialects, clientNames: new Map(), complete };
  const cujs = new Map<string, Cuj>();
  const retired = new Map<string, Cuj>();
  const routes = new RouteCheck(cujs, dialects, report);
  const names = new CujNames();
  let judged = 0;
  for (const { file, document, broken } of inputs) {
    for (const [index, cuj] of (document.cujs ?? []).entries()) {
      const reporter = new Reporter(report, file, ['cujs', index]);
      // A CUJ that did not pass the schema still holds its names, if it has any.
      names.check(cuj, reporter);
      const isBroken = broken?.cujs.has(index) === true;
      const readable = isBroken ? broken.partial?.get(index) : cuj;
      if (readable?.retired !== undefined) {
        retired.set(readable.name, { ...retiredCuj(readable, readable.retired, defaults), ...ofEnvironment });
        continue;
      }
      judged += 1;
      if (readable === undefined) {
        checkNamedServices(cuj, scope, reporter);
        continue;
      }
      // What was taken out of a broken CUJ may be what a problem would report as missing.
      const base = isBroken ? { ...defaults, broken: true } : defaults;
      const resolved = resolveCuj(readable as CujDocument, base, scope, reporter);
      cujs.set(readable.name, { ...resolved.cuj, ...ofEnvironment });
      for (const place of resolved.places) routes.add(place);
      yield;
    }
  }
  routes.finish(services, warn);
  if (judged === 0 && complete) reportEmpty(inputs, retired.size > 0, report);
  if (findings.length > 0) return { ok: false, findings, omitted };
  warnOfServices(inputs, services, cujs.values(), warn);
  warnOfFailures(inputs, services, cujs, warn);
  warnOfThresholds(inputs, warn);
  warnOfThresholdsInsideBuckets(inputs, services, sources, cujs, warn);

  const known = <T>(all: ReadonlyMap<string, T | undefined>) => all as ReadonlyMap<string, T>;
  const batches = planBatches(known(services), cujs.values(), known(sources));
  const batchOfService = new Map<string, QueryBatch>();
  for (const batch of batches)
    for (const { service } of batch.services) batchOfService.set(service.name, batch);
  return {
    ok: true,
    registry: {
      digest,
      ...ofEnvironment,
      sources: known(sources),
      services: known(services),
      cujs,
      retired,
      aliases: aliasesOf([...cujs.values(), ...retired.values()]),
      batches,
      batchOfService,
    },
    warnings,
  };
}

function aliasesOf(cujs: readonly Cuj[]): ReadonlyMap<string, string> {
  return new Map(cujs.flatMap(({ name, aliases = [] }) => aliases.map((alias) => [alias, name] as const)));
}

/** Where a name or an alias stands. */
interface NamePlace {
  readonly reporter: Reporter;
  readonly path: readonly (string | number)[];
  reported: boolean;
}

/** Names and aliases of CUJs, which are unique over all files. A second use is reported at both places. */
class CujNames {
  readonly #first = new Map<string, NamePlace>();

  check(cuj: unknown, reporter: Reporter): void {
    const { name, aliases } = (cuj ?? {}) as Partial<Record<keyof AnyCujDocument, unknown>>;
    this.#add(name, { reporter, path: ['name'], reported: false });
    if (!Array.isArray(aliases)) return;
    for (const [index, alias] of aliases.entries())
      this.#add(alias, { reporter, path: ['aliases', index], reported: false });
  }

  #add(name: unknown, place: NamePlace): void {
    if (typeof name !== 'string') return;
    const first = this.#first.get(name);
    if (first === undefined) {
      this.#first.set(name, place);
      return;
    }
    if (!first.reported) reportTwice(name, first, place);
    first.reported = true;
    reportTwice(name, place, first);
  }
}

function reportTwice(name: string, { reporter, path }: NamePlace, other: NamePlace): void {
  const isAlias = path[0] === 'aliases';
  const fix =
    isAlias || other.path[0] === 'aliases'
      ? 'Remove the alias: it must stand for one CUJ, by a name that no CUJ has now.'
      : 'Rename the newer one: a name is never reused, because SLOs and analysis templates are made from it.';
  const { base, file } = other.reporter;
  const use = other.path[0] === 'aliases' ? 'an alias of' : 'used by';
  reporter.value(
    path,
    'duplicate-cuj',
    name,
    `the ${isAlias ? 'alias' : 'CUJ name'} "${name}" is ${use} cujs[${base[1]}] of ${file} as well`,
    fix,
  );
}

function reportEmpty(inputs: readonly RegistryInput[], hasRetired: boolean, report: Report): void {
  const first = inputs[0];
  const reporter = new Reporter(
    report,
    first?.file ?? '',
    first?.document.cujs === undefined ? [] : ['cujs'],
  );
  reporter.missing(
    [],
    'no-cujs',
    hasRetired
      ? 'all CUJs of the registry are retired, so there is nothing to judge a release by'
      : 'the registry has no CUJs, so there is nothing to judge a release by',
    'Add at least one CUJ under cujs.',
  );
}
