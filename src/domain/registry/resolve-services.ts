import { failureOf } from '../sli/failure.ts';
import { checkApplication, checkClient, clientsNamedIn, lacksApplication } from './client-services.ts';
import type { DialectsOfSources } from './dialects-of-sources.ts';
import { type RegistryInput, type Report, Reporter } from './findings.ts';
import {
  type ClientApplication,
  type Cuj,
  clientSource,
  isOfOperation,
  type Service,
  type SpanMetrics,
  spansSource,
} from './model.ts';
import { allWords } from './own-words.ts';
import { checkWarmUp, warmUpOf } from './resolve-defaults.ts';
import { checkFailure, countsFailuresOf } from './resolve-failures.ts';
import type { ServiceDocument } from './schema.ts';
import { environmentParam, parseSelector, type SelectorTemplate } from './selector.ts';
import type { LikelyMistake, Source, SourceDialect } from './source-dialect.ts';
import { checkSpanNames, checkSpans } from './span-services.ts';

/** Everything under one heading by name; `undefined` for what exists but is wrong and has been reported. */
export type Named<T> = ReadonlyMap<string, T | undefined>;

/** Named things of all files, each with where it stands. A name in two files is reported at both places. */
function collect<D>(
  inputs: readonly RegistryInput[],
  heading: 'services' | 'sources',
  what: string,
  report: Report,
  entriesOf: (input: RegistryInput) => Readonly<Record<string, D>> | undefined,
): Map<string, { document: D; readonly broken: boolean; readonly reporter: Reporter }> {
  const all = new Map<string, { document: D; broken: boolean; reporter: Reporter }>();
  for (const input of inputs) {
    for (const [name, document] of Object.entries(entriesOf(input) ?? {})) {
      const reporter = new Reporter(report, input.file, [heading, name]);
      const first = all.get(name);
      if (first === undefined) {
        all.set(name, { document, broken: input.broken?.[heading].has(name) === true, reporter });
        continue;
      }
      const fix = `Keep one of them, or give the other ${what} its own name.`;
      const rule = `duplicate-${what}`;
      first.reporter.key([], rule, name, `the ${what} "${name}" is defined in ${input.file} as well`, fix);
      reporter.key([], rule, name, `the ${what} "${name}" is defined in ${first.reporter.file} as well`, fix);
    }
  }
  return all;
}

/** All sources of the registry. */
export function resolveSources(
  inputs: readonly RegistryInput[],
  dialects: DialectsOfSources,
  report: Report,
): Named<Source> {
  const sources = new Map<string, Source | undefined>();
  const all = collect(inputs, 'sources', 'source', report, ({ document }) => document.sources);
  for (const [name, { document, broken, reporter }] of all) {
    if (isOfOperation(name)) {
      reporter.key(
        [],
        'reserved-source',
        name,
        name === spansSource
          ? 'the source name "spans" is taken: it stands for metrics that are made of the spans of a service'
          : `the source name "trace" is taken: it stands for the trace metrics of ${dialects.own.backend}`,
        'Choose another name, and name it in the service.',
      );
    }
    if (broken) {
      sources.set(name, undefined);
      continue;
    }
    const parsed = dialects.ofSource(name).parseSource(name, document);
    sources.set(name, parsed.ok ? parsed.source : undefined);
    if (parsed.ok) continue;
    for (const { field, message, fix } of parsed.problems) {
      reporter.value([field], 'source-template', document[field], message, fix);
    }
  }
  return sources;
}

/**
 * All services of the registry.
 * @param complete false where some file could not be read: then a name that is not defined may be defined there.
 * @param environment which environment of the registry they are of.
 */
export function resolveServices(
  inputs: readonly RegistryInput[],
  sources: Named<Source>,
  dialects: DialectsOfSources,
  complete: boolean,
  report: Report,
  environment?: string,
): Named<Service> {
  const services = new Map<string, Service | undefined>();
  const namedAsClients = clientsNamedIn(inputs);
  const dialectOf = (name: string, document: ServiceDocument) =>
    document.application === undefined ? dialects.ofService(name) : dialects.ofClients;
  const all = collect(inputs, 'services', 'service', report, ({ document }) => document.services);
  for (const [name, one] of all) {
    const { broken, reporter } = one;
    if (!broken && lacksApplication(name, one.document, namedAsClients, dialects.ofClients, reporter)) {
      // Reported. As a client, it causes no further findings.
      one.document = { ...one.document, application: name };
    }
    const { document } = one;
    const dialect = broken ? dialects.ofService(name) : dialectOf(name, document);
    if (broken) checkBrokenService(document, sources, dialect, complete, reporter);
    services.set(
      name,
      broken ? undefined : resolveService(name, document, sources, dialect, complete, reporter, environment),
    );
  }
  const applications = new Map<string, string>();
  for (const [name, { document, broken, reporter }] of all) {
    if (broken) continue;
    checkClient(name, document, services, dialectOf(name, document), complete, reporter);
    checkApplication(name, document, applications, reporter);
    checkSpanNames(name, services, reporter);
  }
  return services;
}

/** Reports placeholders that a caller could not fill where the registry has environments. */
export function checkEnvironmentPlaceholder(
  inputs: readonly RegistryInput[],
  services: Named<Service>,
  report: Report,
): void {
  for (const { file, document } of inputs) {
    for (const [name, written] of Object.entries(document.services ?? {})) {
      for (const side of ['canary', 'stable'] as const) {
        if (services.get(name)?.[side]?.params.includes(environmentParam) !== true) continue;
        new Reporter(report, file, ['services', name]).value(
          [side],
          'selector',
          written[side],
          `the placeholder "{${environmentParam}}" is the parameter that names one of this registry's environments`,
          'Choose another name, such as {stage}.',
        );
      }
    }
  }
}

/** What the dialect makes of a service. */
export function likelyMistakesIn({
  dialect,
  operation,
  canary,
  stable,
  source,
}: Service): readonly LikelyMistake[] {
  const keysOf = (selector: SelectorTemplate | undefined) => (selector?.terms ?? []).map(({ key }) => key);
  return (
    dialect.likelyMistakes?.({ operation, canary: keysOf(canary), stable: keysOf(stable), source }) ?? []
  );
}

/**
 * Warns of what nothing refuses, and what most likely is a mistake. A missing status of HTTP is none where no CUJ of the service
 * has an objective that counts failures by it.
 */
export function warnOfServices(
  inputs: readonly RegistryInput[],
  services: Named<Service>,
  cujs: Iterable<Cuj>,
  warn: Report,
): void {
  const counting = [...cujs].filter(countsFailuresOf);
  const needFailures = new Set(counting.flatMap(({ services: of }) => of));
  const needStatus = new Set(
    counting.flatMap(({ endpoints }) =>
      endpoints.flatMap(({ service, failure }) =>
        failure === undefined || failure.by.kind === 'http' ? service : [],
      ),
    ),
  );
  for (const { file, document } of inputs) {
    for (const [name, written] of Object.entries(document.services ?? {})) {
      const service = services.get(name);
      if (service === undefined) continue;
      const reporter = new Reporter(warn, file, ['services', name]);
      for (const { field, rule, message, fix, actual } of likelyMistakesIn(service)) {
        const need = actual.kind === 'no-status' && actual.ofProtocol ? needStatus : needFailures;
        if (actual.kind === 'no-status' && !need.has(name)) continue;
        reporter.value([field], rule, written[field], message, fix);
      }
    }
  }
}

function resolveService(
  name: string,
  document: ServiceDocument,
  sources: Named<Source>,
  dialect: SourceDialect,
  complete: boolean,
  reporter: Reporter,
  environment: string | undefined,
): Service | undefined {
  const client = clientOf(document, environment);
  const source = client === undefined ? (document.source ?? 'trace') : clientSource;
  if (isOfOperation(source) && document.operation === undefined) {
    reporter.missing(
      [],
      'operation-missing',
      `the service "${name}" has no operation, so its ${source === spansSource ? 'requests cannot be told from other spans' : 'trace metrics cannot be named'}`,
      'Add operation, the span name: http.request for Go, express.request for Express, servlet.request for Java.',
    );
  }
  if (!isOfOperation(source) && client === undefined && document.operation !== undefined) {
    reporter.key(
      ['operation'],
      'operation-with-template',
      document.operation,
      `the service "${name}" has an operation, but its source "${source}" names its own metrics`,
      'Remove operation, or remove source to use trace metrics.',
    );
  }
  if (client === undefined) checkSource(source, sources, complete, reporter);
  if (document.env === undefined && complete) {
    reporter.missing(
      [],
      'env-missing',
      `the service "${name}" has no env, so its traffic cannot be told from that of other environments`,
      `Add env, ${allWords(dialect).env}, such as production: to the service, or to every environment.`,
    );
  }
  const canary = readSelector('canary', document.canary, dialect, reporter);
  const stable =
    document.stable === undefined ? undefined : readSelector('stable', document.stable, dialect, reporter);
  if (canary !== undefined && stable !== undefined && sameTraffic(canary, stable)) {
    reporter.value(
      ['stable'],
      'stable-is-canary',
      document.stable,
      'stable selects the same traffic as canary, so there would be nothing to compare',
      'Use another placeholder, such as version:{stable_version}, or remove stable: then it is the rest.',
    );
  }
  checkSpans(name, document, source, [canary, stable], dialect, reporter);
  checkWarmUp(document.warmUp, ['warmUp'], reporter);
  checkTags(document.tags, [canary, stable], dialect, reporter);
  if (client === undefined) {
    const measured = { source, template: sources.get(source), dialect };
    checkFailure(document.failure, ['failure'], measured, reporter);
  }
  if (canary === undefined) return undefined;
  return {
    name,
    // Reported where it is missing.
    env: document.env ?? '',
    ...tagsOf(document.tags),
    dialect,
    source,
    operation: document.operation,
    canary,
    stable,
    sampleRate: document.sampleRate ?? 1,
    dispersion: document.dispersion,
    ...(document.warmUp === undefined ? {} : { warmUpMs: warmUpOf(document.warmUp).warmUpMs ?? {} }),
    ...(document.failure === undefined ? {} : { failure: failureOf(document.failure) }),
    ...(client === undefined ? {} : { client }),
    ...(source === spansSource ? { spans: spansOf(document, environment) } : {}),
  };
}

function spansOf({ endpointTag }: ServiceDocument, environment: string | undefined): SpanMetrics {
  return {
    ...(endpointTag === undefined ? {} : { endpointTag }),
    ...(environment === undefined ? {} : { environment }),
  };
}

function clientOf(
  { application, releasedWith }: ServiceDocument,
  environment: string | undefined,
): ClientApplication | undefined {
  if (application === undefined) return undefined;
  return {
    id: application,
    ...(releasedWith === undefined ? {} : { releasedWith }),
    ...(environment === undefined ? {} : { environment }),
  };
}

/** By key, so that the same tags are the same text in queries and keys. */
function tagsOf(tags: ServiceDocument['tags']): Pick<Service, 'tags'> {
  const sorted = Object.entries(tags ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.length === 0 ? {} : { tags: sorted.map(([key, value]) => ({ key, value })) };
}

/** Reports tags that would change what a query means, or that the backend does not store. */
function checkTags(
  tags: ServiceDocument['tags'],
  selectors: readonly (SelectorTemplate | undefined)[],
  dialect: SourceDialect,
  reporter: Reporter,
): void {
  const { tag, tagKey } = allWords(dialect);
  const selected = new Set(selectors.flatMap((selector) => selector?.terms.map(({ key }) => key) ?? []));
  for (const [key, value] of Object.entries(tags ?? {})) {
    if (['env', 'service', dialect.endpointTag].includes(key)) {
      reporter.key(
        ['tags', key],
        'tag-reserved',
        key,
        `the ${tag} "${key}" is in every query already`,
        key === 'env' ? 'Write env beside tags.' : 'Remove it.',
      );
    } else if (!dialect.isTagKey(key)) {
      reporter.key(
        ['tags', key],
        'tag-key',
        key,
        `the ${tagKey} "${key}" may hold only ${dialect.tagKeyCharacters}`,
        'Write it as it is stored.',
      );
    } else if (selected.has(key)) {
      reporter.key(
        ['tags', key],
        'tag-in-selector',
        key,
        `the ${tag} "${key}" is in the canary or stable selector of a service as well`,
        `Keep it in tags and remove it from the selectors: a ${tag} holds for canary and stable alike.`,
      );
    }
    if (dialect.isSafeTagValue(value) && dialect.storedTagValue(value) === value) continue;
    reporter.value(
      ['tags', key],
      'tag-value',
      value,
      `${dialect.backend} does not store the ${tag} value "${value}" so`,
      `Write it as it is stored, in ${dialect.tagValueCharacters}.`,
    );
  }
}

/** What can still be said of a service that did not pass the schema: its selectors and its source. */
function checkBrokenService(
  document: unknown,
  sources: Named<Source>,
  dialect: SourceDialect,
  complete: boolean,
  reporter: Reporter,
): void {
  if (typeof document !== 'object' || document === null) return;
  const { source, canary, stable } = document as Record<string, unknown>;
  if (typeof source === 'string' && source !== '') checkSource(source, sources, complete, reporter);
  if (typeof canary === 'string' && canary !== '') readSelector('canary', canary, dialect, reporter);
  if (typeof stable === 'string' && stable !== '') readSelector('stable', stable, dialect, reporter);
}

function checkSource(source: string, sources: Named<Source>, complete: boolean, reporter: Reporter): void {
  if (isOfOperation(source) || sources.has(source) || !complete) return;
  reporter.unknown(
    ['source'],
    'unknown-source',
    source,
    ['trace', spansSource, ...sources.keys()],
    `the source "${source}" is not defined`,
    'Define it under sources, or remove it to use trace metrics.',
  );
}

function readSelector(
  side: 'canary' | 'stable',
  text: string,
  dialect: SourceDialect,
  reporter: Reporter,
): SelectorTemplate | undefined {
  const parsed = parseSelector(text, dialect);
  if (!('error' in parsed)) return parsed;
  reporter.value(
    [side],
    'selector',
    text,
    `the ${side} selector cannot be used: ${parsed.error}`,
    'Write key:value conditions joined by commas, with placeholders in values only: version:{version}.',
  );
  return undefined;
}

/** Whether two templates give the same selector whatever fills them: the same conditions in any order. */
function sameTraffic(a: SelectorTemplate, b: SelectorTemplate): boolean {
  const key = ({ terms }: SelectorTemplate) =>
    terms
      .map((term) => JSON.stringify(term))
      .sort()
      .join(' ');
  return key(a) === key(b);
}
