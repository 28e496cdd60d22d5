import { type RegistryInput, type Report, Reporter } from './findings.ts';
import { spansSource } from './model.ts';
import type { SourceDialect } from './source-dialect.ts';

/** The dialects that a registry is read with. */
export interface DialectOptions {
  /** Of the backend of the process: it measures `trace`, and every source that names no other backend. Clients and the source `spans` are measured by one that counts them. */
  readonly dialect: SourceDialect;
  /** Of every backend that a source may name, by the name that the registry writes. Default: none. */
  readonly dialects?: Readonly<Record<string, SourceDialect>>;
}

/** Which dialect each source and service of a registry is read with. The parts of a broken registry have one as well. */
export interface DialectsOfSources {
  readonly own: SourceDialect;
  /** Of services with an application. */
  readonly ofClients: SourceDialect;
  ofSource(name: string): SourceDialect;
  /** Undefined or not defined anywhere: the process's own. */
  ofService(name: string | undefined): SourceDialect;
}

/** The name of the backend whose API a product has: `prometheus` of Thanos. */
export function backendWithApiOf<Name extends string>(
  product: string,
  dialects: Readonly<Record<Name, SourceDialect>>,
): Name | undefined {
  const letters = product.toLowerCase().replace(/[^a-z]/g, '');
  return (Object.keys(dialects) as Name[]).find((name) => dialects[name].otherProducts?.includes(letters));
}

/** Reports sources that name a backend which does not exist. What they measure is then read by {@link unknownDialect}. */
export function readDialects(
  inputs: readonly RegistryInput[],
  { dialect: own, dialects = {} }: DialectOptions,
  report: Report,
): DialectsOfSources {
  const bySource = new Map<string, SourceDialect>();
  const written = new Map<string, { readonly source?: unknown; readonly application?: unknown } | null>();
  for (const { file, document } of inputs) {
    for (const [name, source] of Object.entries(document.sources ?? {})) {
      // A source that did not pass the schema may be anything.
      const backend: unknown = (source as { readonly backend?: unknown } | null)?.backend;
      const known = typeof backend === 'string' && Object.hasOwn(dialects, backend);
      if (!bySource.has(name) && backend !== undefined)
        bySource.set(name, known ? (dialects[backend] as SourceDialect) : unknownDialect);
      if (known || typeof backend !== 'string') continue;
      const meant = backendWithApiOf(backend, dialects);
      new Reporter(report, file, ['sources', name]).unknown(
        ['backend'],
        'unknown-backend',
        backend,
        Object.keys(dialects),
        `there is no backend "${backend}"`,
        meant === undefined
          ? 'Correct the name, or remove it: then the source is measured by the backend of the process (CUJ_GATE_BACKEND).'
          : `Write backend: ${meant}, whose API it has.`,
      );
    }
    for (const [name, service] of Object.entries(document.services ?? {})) {
      if (!written.has(name)) written.set(name, service as { source?: unknown } | null);
    }
  }
  const ofSource = (name: string) => bySource.get(name) ?? own;
  const first = (what: 'countsClients' | 'countsSpans') =>
    [own, ...Object.values(dialects)].find((one) => one[what]) ?? own;
  const ofClients = first('countsClients');
  const ofSpans = first('countsSpans');
  return {
    own,
    ofClients,
    ofSource,
    ofService(name) {
      const service = name === undefined ? undefined : written.get(name);
      if (service?.application !== undefined) return ofClients;
      const source = service?.source;
      if (source === spansSource) return ofSpans;
      return typeof source === 'string' && source !== 'trace' ? ofSource(source) : own;
    },
  };
}

/** Of a backend that is not known. It finds nothing wrong: that there is no such backend is reported already. */
const unknownDialect: SourceDialect = {
  backend: 'the backend',
  versionTag: 'the version',
  addressSetting: 'the address of the backend',
  parseSource: (name) => ({ ok: true, source: { name, groupBy: name } }),
  isTagKey: () => true,
  tagKeyCharacters: '',
  storedTagValue: (raw) => raw,
  isSafeTagValue: () => true,
  tagValueCharacters: '',
  maxTagValueLength: Number.POSITIVE_INFINITY,
  endpointTag: '',
  endpointKey: (method, path) => `${method} ${path}`,
  maxEndpointListLength: Number.POSITIVE_INFINITY,
  retentionMs: Number.POSITIVE_INFINITY,
};
