import type { ErrorObject } from 'ajv';
import { joined } from '../domain/name-lists.ts';
import { visible } from '../domain/outside-text.ts';
import type { DocumentPath, Finding } from '../domain/registry/findings.ts';
import { pathText } from '../domain/registry/findings.ts';
import { sliNames } from '../domain/sli/table.ts';
import { failureFix, failureKeyFix, grpcKeyFix, grpcStatusFix } from './failure-fix.ts';
import { belongsIn, keyWithoutSpace } from './key-places.ts';
import { nearest } from './nearest-key.ts';
import { type Schema, typeName } from './schema-types.ts';
import { keysOfUnions, meantErrors, misspeltKeys } from './schema-union.ts';

/** What is known of the part of a registry that errors are about. */
export interface PartContext {
  /** The name of a method of gRPC as it is stored. Absent where the part has no service of gRPC. */
  readonly grpcName?: ((written: string) => string) | undefined;
}

/** What the explanation of an error looks at beside it. */
interface Surroundings extends PartContext {
  readonly base: DocumentPath;
  readonly root: unknown;
  /** The keys of all alternatives of the union that an alternative is of. */
  readonly keysOfUnion: ReadonlyMap<unknown, readonly string[]>;
}

/**
 * The errors of ajv (allErrors, verbose) as sentences. For a union, only the alternative that was most likely meant is
 * reported.
 */
export function explainErrors(
  file: string,
  base: DocumentPath,
  root: unknown,
  errors: readonly ErrorObject[],
  context: PartContext = {},
): readonly Finding[] {
  const meant = meantErrors(errors);
  const misspelt = misspeltKeys(meant);
  const around = { ...context, base, root, keysOfUnion: keysOfUnions(errors) };
  const findings: Finding[] = [];
  for (const error of meant) {
    if (error.keyword === 'required' && isCaused(error, meant, misspelt)) continue;
    const finding = explain(error, around);
    if (finding !== undefined) findings.push({ file, ...finding });
  }
  return findings;
}

/** Whether a key is missing because of another error: it is misspelt, or another alternative of a union was meant. */
function isCaused(
  { instancePath, params, data, parentSchema }: ErrorObject,
  errors: readonly ErrorObject[],
  misspelt: ReadonlySet<string>,
): boolean {
  if (misspelt.has(`${instancePath}/${params.missingProperty}`)) return true;
  if (isInList(instancePath)) {
    // A route is written where the method belongs, or an unknown key stands in place of all that is required.
    if (errors.some((error) => error.instancePath === `${instancePath}/method` && isRoute(error.data)))
      return true;
    const required = (parentSchema as Schema).required ?? [];
    if (required.some((key) => Object.hasOwn(data as object, key))) return false;
  } else if (!instancePath.endsWith('/failure')) return false;
  return errors.some(
    (error) => error.keyword === 'additionalProperties' && error.instancePath === instancePath,
  );
}

function isInList(instancePath: string): boolean {
  return /\/endpoints\/\d+$/.test(instancePath);
}

function isRoute(value: unknown): value is string {
  return typeof value === 'string' && value.includes('/');
}

type Explained = Omit<Finding, 'file'>;

function unionFix(path: DocumentPath, error: ErrorObject, about: string): string {
  const isEntry = typeof path.at(-1) === 'number';
  switch (lastKey(path)) {
    case 'failure':
      if (isEntry) return 'Write a class of statuses such as 5xx, or a status such as 429.';
      return (
        failureFix(error.data, false) ??
        `Write failure: grpc, failure: errors, or a list such as [5xx, 429].${about}`
      );
    case 'fails':
      return failsFix;
    case 'warmUp':
      return unitFix(error) ?? (patternFix(path) as string);
    default:
      return isEntry
        ? 'Write an endpoint as POST /path, or as a mapping of method and path.'
        : 'List the endpoints, or write "*" for the whole service.';
  }
}

const failsFix = 'Write error, frustration or { slow: 4s }.';

/** The last step that is no index. */
function lastKey(path: DocumentPath): string | undefined {
  return path.findLast((step) => typeof step === 'string');
}

const units = ['ms', 's', 'm', 'h', 'd'];

/** The value with each unit that makes it valid, where it is a number that lacks one. */
function unitFix({ data, parentSchema, schema }: ErrorObject): string | undefined {
  const number = String(data);
  const alternatives = Array.isArray(schema) ? schema : [parentSchema];
  const patterns = alternatives.flatMap((one) => (one?.pattern === undefined ? [] : new RegExp(one.pattern)));
  const isValid = (text: string) => patterns.some((pattern) => pattern.test(text));
  if (!/^\d+$/.test(number) || isValid(number)) return undefined;
  const valid = units.map((unit) => `${number}${unit}`).filter(isValid);
  return valid.length === 0 ? undefined : `Write the unit as well: ${joined(valid, 'or')}.`;
}

function explain(error: ErrorObject, around: Surroundings): Explained | undefined {
  const path = [...around.base, ...pathOf(error.instancePath, around.root)];
  const name = pathText(path) || 'the document';
  const schema = (error.parentSchema ?? {}) as Schema;
  const example = schema.examples?.[0] === undefined ? undefined : JSON.stringify(schema.examples[0]);
  const about = schema.description === undefined ? '' : ` ${schema.description.replace(/[.:]?$/, '.')}`;
  const at = { path, at: 'value' as const, value: error.data };
  const isTextForMapping = error.params.type === 'object' && typeof error.data === 'string';
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = error.params.additionalProperty as string;
      return {
        path: [...path, key],
        at: 'key',
        rule: 'unknown-key',
        value: key,
        message: `${path.length === 0 ? 'a registry' : name} has no key ${quoted(key)}`,
        ...unknownKeyFix(key, error, path, around),
      };
    }
    case 'required': {
      const key = error.params.missingProperty as string;
      const wanted = schema.properties?.[key]?.description;
      return {
        path,
        at: 'value',
        rule: 'missing-key',
        message: `${name} has no ${key}`,
        fix: `Add ${key}${key === 'apiVersion' ? ': cuj-gate/v1' : wanted ? `: ${lowerFirst(wanted)}` : ''}`.replace(
          /\.?$/,
          '.',
        ),
      };
    }
    case 'type':
      return {
        ...at,
        rule: 'type',
        message: `${name} must be ${article(error.params.type as string)}, not ${found(error.data)}`,
        fix: isTextForMapping
          ? (keyWithoutSpace(String(error.data))?.fix ?? typeFix(error, example, about))
          : quotesHelp(error)
            ? typeFix(error, example, about)
            : (unitFix(error) ?? patternFix(path) ?? typeFix(error, example, about)),
      };
    case 'if':
      // What the chosen branch asks for is an error of its own.
      return undefined;
    case 'const':
      return {
        ...at,
        rule: 'one-of',
        message: `${name} must be ${JSON.stringify(schema.const)}`,
        fix: `Write ${JSON.stringify(schema.const)}.`,
      };
    case 'enum':
      return { ...at, rule: 'one-of', ...notAmong(path, name, schema.enum ?? [], error.data, around) };
    case 'anyOf': {
      const alternatives = error.schema as readonly Schema[];
      const values = alternatives.map((one) => one.const).filter((value) => value !== undefined);
      if (values.length === alternatives.length)
        return { ...at, rule: 'one-of', ...oneOf(name, values, error.data) };
      const kinds = alternatives.map((one) =>
        one.const === undefined ? article(one.type ?? '') : JSON.stringify(one.const),
      );
      return {
        ...at,
        rule: 'type',
        message: `${name} must be ${[...new Set(kinds)].join(' or ')}, not ${found(error.data)}`,
        fix: unionFix(path, error, about),
      };
    }
    case 'pattern':
      return {
        ...at,
        rule: 'pattern',
        message: `${name} is ${quoted(String(error.data))}, which is not allowed here`,
        fix: (
          endpointFix(error, path, around) ??
          (path.at(-2) === 'failure' ? failureFix(error.data, true) : undefined) ??
          unitFix(error) ??
          patternFix(path) ??
          (example === undefined ? `Expected:${about}` : `Write it like ${example}.${about}`)
        ).trim(),
      };
    default:
      return bound(error, name, about, at);
  }
}

function unknownKeyFix(
  key: string,
  { data, parentSchema }: ErrorObject,
  path: DocumentPath,
  { keysOfUnion }: Surroundings,
): Pick<Explained, 'fix' | 'unknown'> {
  const { properties = {}, required = [] } = (parentSchema ?? {}) as Schema;
  const known = keysOfUnion.get(parentSchema) ?? Object.keys(properties);
  const value = (data as Readonly<Record<string, unknown>>)[key];
  const ofFailure = path.at(-1) === 'failure' ? failureKeyFix(key, data) : undefined;
  if (ofFailure !== undefined) return { fix: ofFailure };
  if (key === 'grpc' && known.includes('failure')) return { fix: grpcKeyFix(value) };
  const spaced = keyWithoutSpace(key);
  if (spaced !== undefined) return { fix: spaced.fix };
  if (known.includes(key)) return { fix: `Write either ${required.join(' and ')}, or ${key}.` };
  const list = `Known here: ${known.join(', ')}.`;
  const place = belongsIn(key, value);
  if (place === undefined) return { fix: list, unknown: { name: key, known } };
  // The key may be one of here in the singular or the plural.
  const near = nearest(key, known);
  const isForm = near !== undefined && (near.startsWith(key) || key.startsWith(near));
  return { fix: `${place} ${list}`, ...(isForm ? { unknown: { name: key, known } } : {}) };
}

/** What to write for a text that is not an endpoint, where that is known. */
function endpointFix(
  { data, parentSchema }: ErrorObject,
  path: DocumentPath,
  { grpcName, keysOfUnion }: Surroundings,
): string | undefined {
  const text = String(data);
  // Where the text may be a mapping as well.
  const spaced = keyWithoutSpace(text);
  if (spaced !== undefined && keysOfUnion.get(parentSchema)?.includes(spaced.key)) return spaced.fix;
  if (path.at(-2) !== 'endpoints' || grpcName === undefined || /\s/.test(text)) return undefined;
  return `Write { resource: ${grpcName(text)} }.`;
}

function bound(
  error: ErrorObject,
  name: string,
  about: string,
  at: Omit<Explained, 'rule' | 'message' | 'fix'>,
): Explained {
  const limit = error.params.limit as number;
  const sentences: Readonly<Record<string, readonly [string, string]>> = {
    minimum: [`must be at least ${limit}`, `Use ${limit} or more.`],
    maximum: [`must be at most ${limit}`, `Use ${limit} or less.`],
    exclusiveMinimum: [`must be more than ${limit}`, `Use more than ${limit}.`],
    exclusiveMaximum: [`must be less than ${limit}`, `Use less than ${limit}.`],
    minLength: ['must not be empty', 'Add a value, or remove the key.'],
    maxLength: [`must have at most ${limit} characters`, 'Shorten it.'],
    minItems: ['must not be empty', 'Add an entry, or remove the key.'],
    maxItems: [`must have at most ${limit} entries`, 'Split it.'],
  };
  const [sentence, fix] = sentences[error.keyword] ?? [String(error.message), 'Correct it.'];
  return { ...at, rule: 'range', message: `${name} ${sentence}`, fix: `${fix}${about}` };
}

/** Whether the value would be valid in quotes: 50 in quotes is still not a percentage. */
function quotesHelp({ data, params, parentSchema }: ErrorObject): boolean {
  const { pattern } = (parentSchema ?? {}) as { pattern?: string };
  const number = params.type === 'string' && typeof data === 'number';
  return !number || pattern === undefined || new RegExp(pattern).test(String(data));
}

/** What a pattern of the schema means, by the last key. */
function patternFix(path: DocumentPath): string | undefined {
  const last = lastKey(path);
  const isOfSli = sliNames.some((sli) => sli === last);
  if (isOfSli && path.at(-2) === 'sloId') return "Write the SLO's id from Datadog: 32 hexadecimal digits.";
  switch (isOfSli ? path.at(-2) : last) {
    case 'name':
    case 'aliases':
      return 'Use at most 50 lower case letters, digits and hyphens, such as profile-edit.';
    case 'endpoints':
      return 'Write METHOD /path with one space and an upper case method, such as POST /api/v1/login. An operation of GraphQL is written query Search. For anything else, use { resource: NAME }.';
    case 'path':
      return 'Start with / and use no spaces, such as /api/v1/login.';
    case 'below':
      return 'Write a percentage, such as 50%.';
    case 'runbook':
      return 'Write a URL that starts with https://.';
    case 'env':
      return 'Write the env tag as Datadog stores it: a-z 0-9 _ - : . / in lower case.';
    case 'window':
      return 'Write rollout, or a whole number and a unit, such as 5m.';
    case 'passAfter':
      return 'Write a whole number and a unit, such as 8m, or never.';
    case 'maxWindow':
    case 'restartGap':
    case 'minFaultDuration':
    case 'lag':
      return 'Write a whole number and a unit, s, m, h or d, such as 90s or 2h.';
    case 'warmUp':
      return 'Write none, or a whole number and a unit, such as 2m.';
    case 'slow':
      return 'Write a whole number and a unit, such as 4s or 900ms.';
    case 'application':
      return 'Write the applicationId of datadogRum.init in lower case, such as 3c5d1c9e-7a52-4d1f-9b7e-0f6a5f0c2e11.';
    case 'groupBy':
      return 'Write the key of one tag, such as resource_name.';
    case 'operation':
      return 'Write the span name, such as http.request or express.request.';
    default:
      return undefined;
  }
}

/** Of an enumeration; some stand beside what else may be written there. */
function notAmong(
  path: DocumentPath,
  name: string,
  values: readonly unknown[],
  data: unknown,
  { grpcName }: PartContext,
) {
  const usual = oneOf(name, values, data);
  switch (lastKey(path)) {
    case 'method':
      if (!isRoute(data)) return usual;
      return {
        message: usual.message,
        fix: grpcName
          ? `Write { resource: ${grpcName(data)} }.`
          : `Write { resource: ${data} } for a name of another shape than METHOD /path, or { method: POST, path: ${data} } with the method.`,
      };
    case 'failure': {
      const fix = failureFix(data, false);
      return fix === undefined ? usual : { message: usual.message, fix };
    }
    case 'fails': {
      const message = `${name} must be ${joined([...values.map(String), '{ slow: 4s }'], 'or')}, not ${found(data)}`;
      return /^slow\b/.test(String(data))
        ? { message, fix: 'Write { slow: 4s }, with a time of your choice.' }
        : { ...usual, message, fix: failsFix };
    }
    case 'grpc':
      return {
        message: `${name} must be the name of a status of gRPC, not ${found(data)}`,
        ...grpcStatusFix(data),
      };
    default:
      return usual;
  }
}

function oneOf(name: string, values: readonly unknown[], data: unknown) {
  const list = values.map((value) => String(value)).join(', ');
  const known = values.filter((value) => typeof value === 'string');
  return {
    message: `${name} must be one of ${list}, not ${found(data)}`,
    fix: `Write one of ${list}.`,
    ...(typeof data === 'string' ? { unknown: { name: data, known } } : {}),
  };
}

/** A JSON Pointer as a path; what stands in a list is a number. */
function pathOf(pointer: string, root: unknown): (string | number)[] {
  const path: (string | number)[] = [];
  let value = root;
  for (const escaped of pointer.split('/').slice(1)) {
    const step = escaped.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(Array.isArray(value) ? Number(step) : step);
    value = (value as Record<string, unknown> | undefined)?.[step];
  }
  return path;
}

const articles: Readonly<Record<string, string>> = {
  object: 'a mapping',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
};

function article(type: string): string {
  return articles[type] ?? type;
}

function typeFix({ data, params }: ErrorObject, example: string | undefined, about: string): string {
  if (data === null) return `Write a value, or remove the key.${about}`;
  if (params.type === 'number' || params.type === 'integer') {
    // Keep the number in the file: an example of the schema could be mistaken for the right value.
    return typeof data === 'string' && /^[+-]?\d+(\.\d+)?$/.test(data.trim())
      ? `Write ${data.trim()} without quotes.${about}`
      : `Write a plain number, without quotes or a unit${example === undefined ? '' : `, such as ${example}`}.${about}`;
  }
  if (example !== undefined) return `Write it like ${example}.${about}`;
  if (params.type === 'string') return `Put it in quotes.${about}`;
  if (params.type === 'array') return `Write a list: each entry on a line that starts with "- ".${about}`;
  if (params.type === 'object') return `Write a mapping: lines of key: value.${about}`;
  return `Write ${article(String(params.type))}.${about}`;
}

function found(value: unknown): string {
  if (value === null) return 'nothing';
  if (typeof value === 'object') return article(typeName(value));
  const text = typeof value === 'string' ? quoted(value) : String(value);
  return typeof value === 'string' ? `the text ${text}` : text;
}

/** A text in quotes, cut, with invisible characters escaped. */
function quoted(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 79)}…` : text;
  return visible(JSON.stringify(short));
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
