import {
  type DocumentPath,
  type Finding,
  pathText,
  type RegistryInput,
  type Report,
  Reporter,
} from './findings.ts';
import type { AnyCujDocument, EnvironmentDocument, RegistryDocument, ServiceDocument } from './schema.ts';

/**
 * Environments are resolved away before anything else: the documents of an environment are those that somebody would write who
 * has no other. What resolves, asks and judges knows nothing of the others.
 */

/** The environments of all files, and the documents of each. */
export interface Environments {
  /** In the order of the files. Empty where there are none. */
  readonly names: readonly string[];
  documentsOf(name: string): EnvironmentDocuments;
}

export interface EnvironmentDocuments {
  readonly inputs: readonly RegistryInput[];
  /** The finding at the place where the value that it is about is written. */
  readonly atOrigin: (finding: Finding) => Finding;
}

interface Place {
  readonly file: string;
  readonly path: DocumentPath;
}

type Overridable = { readonly environments?: Readonly<Record<string, unknown>> };

/** Reports an environment that two files define, and what is overridden for one that none defines. */
export function readEnvironments(
  inputs: readonly RegistryInput[],
  complete: boolean,
  report: Report,
): Environments {
  const defined = new Map<string, { readonly document: EnvironmentDocument; readonly reporter: Reporter }>();
  for (const { file, document } of inputs) {
    for (const [name, of] of entriesOf(document.environments)) {
      const reporter = new Reporter(report, file, ['environments', name]);
      const first = defined.get(name);
      if (first === undefined) {
        defined.set(name, { document: asMapping(of), reporter });
        continue;
      }
      const fix = 'Keep one of them.';
      const rule = 'duplicate-environment';
      const message = (other: string) => `the environment "${name}" is defined in ${other} as well`;
      first.reporter.key([], rule, name, message(file), fix);
      reporter.key([], rule, name, message(first.reporter.file), fix);
    }
  }
  const names = [...defined.keys()];
  if (complete && !inputs.some(({ broken }) => broken?.environments)) checkOverrides(inputs, names, report);
  return {
    names,
    documentsOf(name) {
      const environment = defined.get(name);
      if (environment === undefined) throw new TypeError(`no environment is called ${JSON.stringify(name)}`);
      return documentsOf(inputs, name, environment.document, environment.reporter.file);
    },
  };
}

function checkOverrides(inputs: readonly RegistryInput[], names: readonly string[], report: Report): void {
  const check = (file: string, path: DocumentPath, of: unknown) => {
    for (const [name] of entriesOf(asMapping<Overridable>(of).environments)) {
      if (names.includes(name)) continue;
      report({
        file,
        path: [...path, 'environments', name],
        at: 'key',
        rule: 'unknown-environment',
        value: name,
        message: `the environment "${name}" is not defined`,
        fix: 'Define it under environments at the top of the registry, or correct the name.',
        unknown: { name, known: names },
      });
    }
  };
  for (const { file, document } of inputs) {
    check(file, ['defaults'], document.defaults);
    for (const [name, service] of entriesOf(document.services)) check(file, ['services', name], service);
    for (const [index, cuj] of (document.cujs ?? []).entries()) check(file, ['cujs', index], cuj);
  }
}

function documentsOf(
  inputs: readonly RegistryInput[],
  name: string,
  environment: EnvironmentDocument,
  definedIn: string,
): EnvironmentDocuments {
  const origins = new Origins();
  const overriddenDefaults = defaultsOverriddenIn(inputs, name);
  const documents = inputs.map((input): RegistryInput => {
    const { file, document, broken } = input;
    const { environments: _, ...rest } = document;
    const moved = (path: DocumentPath, to: DocumentPath) => origins.add(file, path, { file, path: to });
    const cujs = document.cujs?.map((cuj, index) => cujOf(cuj, name, ['cujs', index], moved));
    const partial =
      broken?.partial &&
      new Map([...broken.partial].map(([index, cuj]) => [index, cujOf(cuj, name, ['cujs', index], moved)]));
    return {
      ...input,
      document: {
        ...rest,
        ...(document.defaults === undefined
          ? {}
          : { defaults: defaultsOf(document.defaults, name, overriddenDefaults, moved) }),
        ...(document.services === undefined
          ? {}
          : {
              services: mapEntries(document.services, (service, key) =>
                serviceOf(service, name, environment, key, (path, to) => {
                  if (to === undefined)
                    origins.add(file, path, {
                      file: definedIn,
                      path: ['environments', name, path[2] as string],
                    });
                  else moved(path, to);
                }),
              ),
            }),
        ...(cujs === undefined ? {} : { cujs }),
      },
      ...(broken === undefined ? {} : { broken: partial === undefined ? broken : { ...broken, partial } }),
    };
  });
  return { inputs: documents, atOrigin: (finding) => origins.apply(finding) };
}

type Moved = (path: DocumentPath, to: DocumentPath) => void;

/** The environment's values are in place of the service's, and the service's own for this environment in place of both. */
function serviceOf(
  service: ServiceDocument,
  name: string,
  { env, tags }: EnvironmentDocument,
  key: string,
  moved: (path: DocumentPath, to: DocumentPath | undefined) => void,
): ServiceDocument {
  const base = ['services', key];
  const { environments, ...own } = asMapping<ServiceDocument>(service);
  const common = { ...(env === undefined ? {} : { env }), ...(tags === undefined ? {} : { tags }) };
  for (const field of Object.keys(common)) moved([...base, field], undefined);
  const override = asMapping<Partial<ServiceDocument>>(environments?.[name]);
  for (const field of Object.keys(override)) moved([...base, field], [...base, 'environments', name, field]);
  return { ...own, ...common, ...override };
}

function cujOf(cuj: AnyCujDocument, name: string, base: DocumentPath, moved: Moved): AnyCujDocument {
  const overrides = (cuj as AnyCujDocument | null)?.environments?.[name];
  if (typeof cuj !== 'object' || cuj === null) return cuj;
  const { environments: _, ...own } = cuj;
  if (typeof overrides !== 'object' || overrides === null) return own;
  return merged(own, overrides, ['slo', 'gate', 'sloId'], base, [...base, 'environments', name], moved);
}

type DefaultsDocument = NonNullable<RegistryDocument['defaults']>;

/** A default that any file overrides is left out of all files: it would be given twice. */
function defaultsOf(
  defaults: DefaultsDocument,
  name: string,
  overridden: ReadonlySet<string>,
  moved: Moved,
): DefaultsDocument {
  const { environments, ...own } = asMapping<DefaultsDocument>(defaults);
  const left: Record<string, unknown> = {};
  for (const [section, values] of entriesOf(own)) {
    left[section] = Object.fromEntries(
      entriesOf(asMapping(values)).filter(([key]) => !overridden.has(`${section}.${key}`)),
    );
  }
  const to = ['defaults', 'environments', name];
  return merged(left, asMapping(environments?.[name]), ['slo', 'gate'], ['defaults'], to, moved);
}

function defaultsOverriddenIn(inputs: readonly RegistryInput[], name: string): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const { document } of inputs) {
    const of = asMapping<DefaultsDocument>(document.defaults).environments?.[name];
    for (const [section, values] of entriesOf(of))
      for (const [key] of entriesOf(values)) keys.add(`${section}.${key}`);
  }
  return keys;
}

/** The override over the value: what is under `sections` key by key, all else as a whole. */
function merged<T extends object>(
  own: T,
  override: object,
  sections: readonly string[],
  at: DocumentPath,
  to: DocumentPath,
  moved: Moved,
): T {
  const result = { ...own } as Record<string, unknown>;
  for (const [field, value] of entriesOf(override)) {
    if (!sections.includes(field) || !isMapping(value)) {
      result[field] = value;
      moved([...at, field], [...to, field]);
      continue;
    }
    const before = result[field];
    // What is missing from a section that only the override has is missing there.
    if (before === undefined) moved([...at, field], [...to, field]);
    result[field] = { ...asMapping(before), ...value };
    for (const key of Object.keys(value)) moved([...at, field, key], [...to, field, key]);
  }
  return result as T;
}

/** Where the values of an environment's documents are written. */
class Origins {
  readonly #places = new Map<string, Place>();

  add(file: string, path: DocumentPath, origin: Place): void {
    this.#places.set(keyOf(file, path), origin);
  }

  apply(finding: Finding): Finding {
    for (let length = finding.path.length; length > 0; length -= 1) {
      const origin = this.#places.get(keyOf(finding.file, finding.path.slice(0, length)));
      if (origin !== undefined)
        return { ...finding, file: origin.file, path: [...origin.path, ...finding.path.slice(length)] };
    }
    return finding;
  }
}

function keyOf(file: string, path: DocumentPath): string {
  return `${file}\n${pathText(path)}`;
}

function mapEntries<T>(
  of: Readonly<Record<string, T>>,
  map: (value: T, key: string) => T,
): Record<string, T> {
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key, map(value, key)]));
}

/** Parts that did not pass the schema are anything. */
function entriesOf(of: unknown): [string, unknown][] {
  return isMapping(of) ? Object.entries(of) : [];
}

function asMapping<T extends object>(of: unknown): T {
  return (isMapping(of) ? of : {}) as T;
}

function isMapping(of: unknown): of is Record<string, unknown> {
  return typeof of === 'object' && of !== null && !Array.isArray(of);
}
