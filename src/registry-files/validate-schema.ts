import type { ErrorObject, ValidateFunction } from 'ajv';
import type { BrokenParts, DocumentPath, Finding, RegistryInput } from '../domain/registry/findings.ts';
import { pathText } from '../domain/registry/findings.ts';
import { isOfOperation } from '../domain/registry/model.ts';
import {
  type AnyCujDocument,
  CujSchema,
  type RegistryDocument,
  RegistrySchema,
  ServiceSchema,
  SourceSchema,
} from '../domain/registry/schema.ts';
import { defaultBackend, dialects } from '../sources/dialects/dialects.ts';
import { belongsInBy } from './key-places.ts';
import { partialCujOf } from './partial-cuj.ts';
import { explainErrors, type PartContext } from './schema-errors.ts';
import type { Schema } from './schema-types.ts';

interface Validators {
  readonly root: ValidateFunction;
  readonly cuj: ValidateFunction;
  readonly service: ValidateFunction;
  readonly source: ValidateFunction;
}

let compiled: Promise<Validators> | undefined;

/** ajv and its code are created on first use: other commands do not wait for them. */
async function compile(): Promise<Validators> {
  const { Ajv2020 } = await import('ajv/dist/2020.js');
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: true, strictTypes: false });
  const { apiVersion, environments, defaults } = RegistrySchema.properties;
  return {
    // Long lists are checked entry by entry, so that an invalid entry does not affect others and errors stay few.
    root: ajv.compile({
      ...RegistrySchema,
      properties: {
        apiVersion,
        environments,
        defaults,
        sources: { type: 'object' },
        services: { type: 'object' },
        cujs: { type: 'array' },
      },
    }),
    cuj: ajv.compile(CujSchema),
    service: ajv.compile(ServiceSchema),
    source: ajv.compile(SourceSchema),
  };
}

/** Names under `services` and `sources`, as the schema has them. */
const namePattern = {
  services: new RegExp(Object.keys(RegistrySchema.properties.services.patternProperties)[0] as string, 'u'),
  sources: new RegExp(Object.keys(RegistrySchema.properties.sources.patternProperties)[0] as string, 'u'),
};

/** The most findings that are reported. */
const maxFindingsPerFile = 1000;

export type Structure =
  | { readonly usable: true; readonly input: RegistryInput; readonly findings: readonly Finding[] }
  | { readonly usable: false; readonly findings: readonly Finding[] };

/**
 * Checks one document against the schema. Invalid parts are listed in the input's broken parts, so that the rest can be
 * checked further.
 */
export async function checkStructure(file: string, value: unknown): Promise<Structure> {
  compiled ??= compile();
  const validators = await compiled;
  const findings: Finding[] = [];
  const check = (
    validate: ValidateFunction,
    part: unknown,
    base: DocumentPath,
    contextOf?: () => PartContext,
  ): boolean => {
    if (findings.length >= maxFindingsPerFile) return false;
    if (validate(part)) return true;
    findings.push(...explainErrors(file, base, part, validate.errors as ErrorObject[], contextOf?.()));
    return false;
  };
  if (!check(validators.root, value, []) && !isMapping(value)) return { usable: false, findings };

  const document = value as Record<string, unknown>;
  const broken = { services: new Set<string>(), sources: new Set<string>(), cujs: new Set<number>() };
  for (const heading of ['services', 'sources'] as const) {
    const entries = document[heading];
    if (!isMapping(entries)) continue;
    const validate = heading === 'services' ? validators.service : validators.source;
    for (const [name, entry] of Object.entries(entries)) {
      const misplaced = findings.length < maxFindingsPerFile && misplacedKey(file, heading, name, entry);
      if (misplaced) {
        findings.push(misplaced);
        broken[heading].add(name);
        continue;
      }
      const named = namePattern[heading].test(name);
      if (!named && findings.length < maxFindingsPerFile) findings.push(badName(file, heading, name));
      if (!check(validate, entry, [heading, name]) || !named) broken[heading].add(name);
    }
  }
  const partial = new Map<number, AnyCujDocument>();
  if (Array.isArray(document.cujs)) {
    for (const [index, cuj] of document.cujs.entries()) {
      const before = findings.length;
      if (check(validators.cuj, cuj, ['cujs', index], () => contextOfCuj(cuj, document.services))) continue;
      broken.cujs.add(index);
      const rest = partialCujOf(cuj, findings.slice(before), validators.cuj);
      if (rest !== undefined) partial.set(index, rest);
    }
  }
  const parts: BrokenParts = {
    ...broken,
    partial,
    defaults: findings.some(({ path }) => path[0] === 'defaults'),
    environments: findings.some(({ path }) => path[0] === 'environments'),
  };
  return { usable: true, findings, input: { file, document: usablePart(document), broken: parts } };
}

/** The document without headings of the wrong type, which are reported. */
function usablePart(document: Record<string, unknown>): RegistryDocument {
  const { services, sources, cujs } = document;
  return {
    ...document,
    ...(services === undefined || isMapping(services) ? {} : { services: {} }),
    ...(sources === undefined || isMapping(sources) ? {} : { sources: {} }),
    ...(cujs === undefined || Array.isArray(cujs) ? {} : { cujs: [] }),
  } as unknown as RegistryDocument;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is known of a CUJ whose service is in the same document. */
function contextOfCuj(cuj: unknown, services: unknown): PartContext {
  if (!isMapping(cuj)) return {};
  const name = String(cuj.service);
  const service = isMapping(services) && Object.hasOwn(services, name) ? services[name] : undefined;
  const { failure, operation, source } = isMapping(service) ? service : {};
  const isGrpc = (one: unknown) => one === 'grpc' || (isMapping(one) && 'grpc' in one);
  const dialect = Object.values(dialects).find(({ statusOf }) => statusOf?.(String(operation)) === 'grpc');
  if (dialect === undefined && !isGrpc(failure) && !isGrpc(cuj.failure)) return {};
  // Of counters, a label has the name as it is.
  if (typeof source === 'string' && !isOfOperation(source)) return { grpcName: (written) => written };
  return { grpcName: (dialect ?? dialects[defaultBackend]).storedTagValue };
}

/** A key of an entry, or of another place, that stands where the names of the entries stand. */
function misplacedKey(
  file: string,
  heading: 'services' | 'sources',
  name: string,
  entry: unknown,
): Finding | undefined {
  const schema = (heading === 'services' ? ServiceSchema : SourceSchema) as unknown as Schema;
  const { properties = {}, title } = schema;
  // Its own keys show that it is an entry.
  if (isMapping(entry) && Object.keys(entry).some((key) => Object.hasOwn(properties, key))) return undefined;
  const isOfEntry = Object.hasOwn(properties, name) && entry !== null;
  const elsewhere = isOfEntry ? undefined : belongsInBy(name, entry);
  if (!isOfEntry && elsewhere === undefined) return undefined;
  const path = [heading, name];
  return {
    file,
    path,
    at: 'key',
    rule: 'misplaced-key',
    value: name,
    message: `${pathText(path)} is not a ${title}${isOfEntry ? `: ${name} is a key of one` : ''}`,
    fix: elsewhere ?? `Indent it under the name of the ${title}.`,
  };
}

function badName(file: string, heading: 'services' | 'sources', name: string): Finding {
  const path = [heading, name];
  return {
    file,
    path,
    at: 'key',
    rule: 'name',
    value: name,
    message: `${pathText(path)} is not a valid name`,
    fix:
      heading === 'services'
        ? 'Use the service tag as Datadog stores it: lower case letters, digits and _ . - between them.'
        : 'Use lower case letters, digits and - between them, such as istio-canary.',
  };
}
