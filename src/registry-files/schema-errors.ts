import type { ErrorObject } from 'ajv';
import { visible } from '../domain/outside-text.ts';
import type { DocumentPath, Finding } from '../domain/registry/findings.ts';
import { pathText } from '../domain/registry/findings.ts';
import { sliNames } from '../domain/sli/table.ts';
import { failureFix, failureKeyFix, grpcKeyFix, grpcStatusFix } from './failure-fix.ts';
import { meantErrors, misspeltKeys, type Schema, typeName } from './schema-union.ts';

/**
 * The errors of ajv (allErrors, verbose) as sentences. For a union, only the alternative that was most likely meant is
 * reported.
 */
export function explainErrors(
  file: string,
  base: DocumentPath,
  root: unknown,
  errors: readonly ErrorObject[],
): readonly Finding[] {
  const meant = meantErrors(errors);
  const misspelt = misspeltKeys(meant);
  const findings: Finding[] = [];
  const withUnknownKey = new Set(
    meant.flatMap(({ keyword, instancePath }) => (keyword === 'additionalProperties' ? instancePath : [])),
  );
  for (const error of meant) {
    if (error.keyword === 'required') {
      if (misspelt.has(`${error.instancePath}/${error.params.missingProperty}`)) continue;
      // It needs no grpc where something else was meant.
      if (error.instancePath.endsWith('/failure') && withUnknownKey.has(error.instancePath)) continue;
    }
    const finding = explain(error, base, root);
    if (finding !== undefined) findings.push({ file, ...finding });
  }
  return findings;
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
  return valid.length === 0 ? undefined : `Write the unit as well: ${orList(valid)}.`;
}

function orList(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

function explain(error: ErrorObject, base: DocumentPath, root: unknown): Explained | undefined {
  const path = [...base, ...pathOf(error.instancePath, root)];
  const name = pathText(path) || 'the document';
  const schema = (error.parentSchema ?? {}) as Schema;
  const example = schema.examples?.[0] === undefined ? undefined : JSON.stringify(schema.examples[0]);
  const about = schema.description === undefined ? '' : ` ${schema.description.replace(/[.:]?$/, '.')}`;
  const at = { path, at: 'value' as const, value: error.data };
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = error.params.additionalProperty as string;
      const known = Object.keys(schema.properties ?? {});
      const meant =
        path.at(-1) === 'failure'
          ? failureKeyFix(key, error.data)
          : key === 'grpc' && known.includes('failure')
            ? grpcKeyFix((error.data as Readonly<Record<string, unknown>>).grpc)
            : undefined;
      return {
        path: [...path, key],
        at: 'key',
        rule: 'unknown-key',
        value: key,
        message: `${path.length === 0 ? 'a registry' : name} has no key ${quoted(key)}`,
        ...(meant === undefined
          ? { fix: `Known here: ${known.join(', ')}.`, unknown: { name: key, known } }
          : { fix: meant }),
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
        fix: quotesHelp(error)
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
      return { ...at, rule: 'one-of', ...notAmong(path, name, schema.enum ?? [], error.data) };
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
function notAmong(path: DocumentPath, name: string, values: readonly unknown[], data: unknown) {
  const usual = oneOf(name, values, data);
  switch (lastKey(path)) {
    case 'failure': {
      const fix = failureFix(data, false);
      return fix === undefined ? usual : { message: usual.message, fix };
    }
    case 'fails': {
      const message = `${name} must be ${orList([...values.map(String), '{ slow: 4s }'])}, not ${found(data)}`;
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
