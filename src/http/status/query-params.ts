import { CallerError } from '../../domain/errors.ts';
import { visible } from '../../domain/outside-text.ts';
import { nearestNames } from '../../suggestions/nearest.ts';

/** A query string, read: every parameter at most once, or what is wrong with it. */
export interface Query {
  readonly values: ReadonlyMap<string, string>;
  readonly mistake: CallerError | undefined;
}

const none: ReadonlyMap<string, string> = new Map();

/** Reads a query string. */
export function readQuery(text: string): Query {
  const values = new Map<string, string>();
  // Clients send no fragment. Read as a part of the value, it would ask about another version.
  if (text.includes('#')) {
    return { values: none, mistake: invalid('The query holds a #.', 'Write it as %23.') };
  }
  for (const piece of text.split('&')) {
    if (piece === '') continue;
    const at = piece.indexOf('=');
    const name = decode(at < 0 ? piece : piece.slice(0, at));
    const value = at < 0 ? '' : decode(piece.slice(at + 1));
    if (name === undefined || value === undefined) {
      return {
        values: none,
        mistake: invalid(
          // Without the value: this is logged, and the value may be a token.
          `Parameter "${shown(at < 0 ? piece : piece.slice(0, at))}" of the query cannot be decoded.`,
          'Percent-encode it as UTF-8: %20 for a space, %25 for a percent sign.',
        ),
      };
    }
    if (values.has(name)) {
      return {
        values: none,
        mistake: invalid(`Parameter "${shown(name)}" is given more than once.`, 'Give it once.', {
          parameter: name,
        }),
      };
    }
    values.set(name, value);
  }
  return { values, mistake: undefined };
}

/**
 * A URL for the log, with the values of `names` alone: a token that is put into a URL by mistake has another name.
 */
export function loggedUrl(url: string, names: ReadonlySet<string>): string {
  const [whole, fragment] = url.slice(0, 500).split('#', 2) as [string, string?];
  const at = whole.indexOf('?') + 1;
  const pieces = at === 0 ? [] : whole.slice(at).split('&');
  const masked = pieces.map((piece) => {
    const end = piece.indexOf('=');
    const name = piece.slice(0, end);
    return end < 0 || names.has(decode(name) ?? '') ? piece : `${name}=[redacted]`;
  });
  const path = at === 0 ? whole : whole.slice(0, at);
  return visible(`${path}${masked.join('&')}${fragment === undefined ? '' : '#[redacted]'}`);
}

function decode(text: string): string | undefined {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function invalid(message: string, hint: string, details: Record<string, unknown> = {}): CallerError {
  return new CallerError('invalid_request', message, hint, details);
}

function shown(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}...` : name;
}

/** Throws CallerError where a parameter is none of `names`, with the nearest of them. */
export function refuseUnknown(
  given: Iterable<string>,
  names: readonly string[],
  where: 'query' | 'header',
): void {
  for (const name of given) {
    if (names.includes(name)) continue;
    const [nearest] = nearestNames(name, names, { max: 1 });
    const meant = nearest === undefined ? '' : `Did you mean "${nearest}"? `;
    throw invalid(
      where === 'query'
        ? `Unknown parameter "${shown(name)}".`
        : `Unknown parameter "${shown(name)}", from the header ${headerOf(name)}.`,
      `${meant}It takes: ${names.join(', ')}.`,
      { parameter: name, known: names },
    );
  }
}

/** `?pretty`, `?pretty=1`, `?pretty=true` against `0` and `false`; anything else is refused. */
export function readFlag(query: Query, name: string): boolean {
  const text = query.values.get(name);
  switch (text) {
    case undefined:
    case '0':
    case 'false':
      return false;
    case '':
    case '1':
    case 'true':
      return true;
    default:
      throw invalid(`${name}="${shown(text)}" is not a boolean.`, 'Use 1, true, 0 or false.', {
        parameter: name,
      });
  }
}

const headerPrefix = 'x-canary-';

function headerOf(param: string): string {
  return `X-Canary-${param
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('-')}`;
}

/** A request's headers as node:http has them. */
export interface Headers {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Names and values alternate, in the order of arrival. `headers` joins repeated ones. */
  readonly rawHeaders: readonly string[];
}

/**
 * The selectors' parameters of a question: those of the query, and those of headers such as X-Canary-Stable-Version,
 * which carry what a template cannot put into a URL safely. Throws CallerError where the two differ.
 */
export function canaryParams(
  query: Query,
  request: Headers,
  own: readonly string[],
  names: readonly string[],
): ReadonlyMap<string, string> {
  const params = new Map<string, string>();
  for (const [name, value] of query.values) if (!own.includes(name)) params.set(name, value);
  for (const header in request.headers) {
    if (!header.startsWith(headerPrefix)) continue;
    const name = header.slice(headerPrefix.length).replaceAll('-', '_');
    refuseUnknown([name], names, 'header');
    const values = valuesOf(request.rawHeaders, header);
    if (values.length > 1) {
      throw invalid(`The header ${headerOf(name)} is given more than once.`, 'Give it once.', {
        parameter: name,
      });
    }
    const value = values[0] ?? '';
    const other = params.get(name);
    if (other !== undefined && other !== value) {
      throw invalid(
        `Parameter "${name}" is "${shown(other)}" in the query and "${shown(value)}" in the header ${headerOf(name)}.`,
        'Give it in one place.',
        { parameter: name },
      );
    }
    params.set(name, value);
  }
  return params;
}

/** What query and headers say about the canary, whatever the parameters are called. The query goes first. */
export function anyParams(
  query: Query,
  { headers }: Headers,
  own: readonly string[],
): ReadonlyMap<string, string> {
  const params = new Map<string, string>();
  for (const [name, value] of query.values) if (!own.includes(name)) params.set(name, value);
  for (const [header, value] of Object.entries(headers)) {
    const name = header.slice(headerPrefix.length).replaceAll('-', '_');
    if (header.startsWith(headerPrefix) && typeof value === 'string' && !params.has(name))
      params.set(name, value);
  }
  return params;
}

function valuesOf(rawHeaders: readonly string[], header: string): string[] {
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === header);
}

/** Part of a list. */
export interface Page {
  readonly limit: number;
  /** The name that the page before ended with. */
  readonly after: string | undefined;
}

export const defaultLimit = 100;
export const maxLimit = 200;

const onlyPretty = ['pretty'] as const;
const ofLists = ['limit', 'after', 'pretty'] as const;

/** For routes whose query holds `pretty` and nothing else. Throws CallerError. */
export function readPretty(query: Query): boolean {
  return readFlag(readKnown(query, onlyPretty), 'pretty');
}

/** For lists. Throws CallerError. */
export function readPage(query: Query): Page & { readonly pretty: boolean } {
  const { values } = readKnown(query, ofLists);
  const text = values.get('limit') ?? String(defaultLimit);
  const limit = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : Number.NaN;
  if (!(limit <= maxLimit)) {
    throw invalid(
      `limit="${shown(text)}" is not a whole number from 1 to ${maxLimit}.`,
      'Ask for the next page for more.',
      {
        parameter: 'limit',
      },
    );
  }
  return { limit, after: values.get('after'), pretty: readFlag(query, 'pretty') };
}

function readKnown(query: Query, names: readonly string[]): Query {
  if (query.mistake !== undefined) throw query.mistake;
  refuseUnknown(query.values.keys(), names, 'query');
  return query;
}
