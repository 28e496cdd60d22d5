import type { Source, SourceProblem } from '../../../domain/registry/source-dialect.ts';
import {
  type Failure,
  type FailureBy,
  type GrpcStatus,
  grpcCodes,
  grpcStatuses,
} from '../../../domain/sli/failure.ts';
import {
  escapedForRegex,
  type LabelMatcher,
  matcherTest,
  matcherText,
  oneOfValues,
  regexProblem,
} from './label-matchers.ts';
import { badMatchers, type CounterSource, counterSourceOf } from './source-template.ts';

/**
 * Definitions of failure of the registry, over counters: one takes the place of the statuses in the matcher of `bad` that tells them.
 * Everything else of `bad` stays, also values of that label that are no statuses.
 */

/** The matcher of `bad` that tells failures by a status, and how its label writes statuses of gRPC. */
type StatusMatcher = {
  readonly matcher: LabelMatcher;
  /** Alternatives of its values that are no statuses, as regular expressions. */
  readonly others: readonly string[];
  /** The first alternative that is of statuses and of something else as well. */
  readonly unclear: string | undefined;
} & ({ readonly kind: 'http' } | { readonly kind: 'grpc'; readonly spellings: readonly Spelling[] });

/** The texts of a status. */
type Spelling = (status: GrpcStatus) => readonly string[];

/** As libraries, OpenTelemetry and proxies write them: by number, or by a word, of which no label has two forms on purpose. */
const spellings: readonly Spelling[] = [
  (status) => [String(grpcCodes[status])],
  (status) => {
    const lower = status.toLowerCase();
    const title = lower.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
    // OK is in capital letters in grpc-go, whose Canceled has one l.
    if (status === 'OK') return ['OK', 'ok'];
    return [status, lower, title, ...(status === 'CANCELLED' ? ['canceled', 'Canceled'] : [])];
  },
];

const allOfClass = (digit: number) => Array.from({ length: 100 }, (_, i) => String(100 * digit + i));
const classes = [1, 2, 3, 4, 5] as const;
const statusesOfHttp = classes.flatMap((digit) => [...allOfClass(digit), `${digit}xx`, `${digit}XX`]);
const errorsOfHttp = [...allOfClass(4), ...allOfClass(5), '4xx', '5xx', '4XX', '5XX'];
const statusesOfGrpc = new Set(spellings.flatMap((spelled) => grpcStatuses.flatMap(spelled)));

/** Values that are no statuses, of which an alternative such as `[^23].*` would be as well. */
const otherValues = ['0', '00', '000', '600', '999', 'error', 'timeout', 'none', '-', ''];

const knownMatchers = new WeakMap<CounterSource, readonly StatusMatcher[]>();

/**
 * The matchers that tell failures by a status: one, as a rule, and none where `bad` tells them by something else. Only by values that must be
 * there: of a label that must not be "ok", the other values are unknown.
 */
function statusMatchersOf(source: CounterSource): readonly StatusMatcher[] {
  const known = knownMatchers.get(source);
  if (known !== undefined) return known;
  const found = badMatchers(source).flatMap((matcher): StatusMatcher[] => {
    if (matcher.operator.startsWith('!')) return [];
    const test = matcherTest(matcher);
    const accepts = (value: string) => test({ [matcher.label]: value });
    if (!accepts('200') && errorsOfHttp.some(accepts))
      return [{ kind: 'http', matcher, ...partsOf(matcher, statusesOfHttp) }];
    const own = spellings.filter(
      (spelled) =>
        !spelled('OK').some(accepts) && [...spelled('INTERNAL'), ...spelled('UNAVAILABLE')].some(accepts),
    );
    return own.length === 0
      ? []
      : [{ kind: 'grpc', matcher, spellings: own, ...partsOf(matcher, [...statusesOfGrpc]) }];
  });
  knownMatchers.set(source, found);
  return found;
}

/** The alternatives of a matcher by whether they match statuses. */
function partsOf(
  { operator, value }: LabelMatcher,
  statuses: readonly string[],
): Pick<StatusMatcher, 'others' | 'unclear'> {
  const alternatives = operator === '=' ? [escapedForRegex(value)] : alternativesOf(value);
  const matchesOneOf = (values: readonly string[]) => (alternative: string) => {
    const pattern = new RegExp(`^(?:${alternative})$`, 'su');
    return values.some((text) => pattern.test(text));
  };
  const ofStatuses = alternatives.filter(matchesOneOf(statuses));
  return {
    others: alternatives.filter((one) => !ofStatuses.includes(one)),
    unclear: ofStatuses.find(matchesOneOf(otherValues)),
  };
}

/** The parts of a regular expression between its outermost `|`. */
function alternativesOf(regex: string): readonly string[] {
  const parts = [''];
  let depth = 0;
  for (const [token] of regex.matchAll(/\\.|\[[^[\]]*\]|./gsu)) {
    depth += token === '(' ? 1 : token === ')' ? -1 : 0;
    if (token === '|' && depth === 0) parts.push('');
    else parts.push(`${parts.pop()}${token}`);
  }
  const [only = ''] = parts;
  const isOneGroup = parts.length === 1 && /^\((?:\\.|[^()\\])*\)$/su.test(only);
  return isOneGroup ? alternativesOf(only.slice(1, -1)) : parts;
}

/** The source with a definition of the registry in place of its own. Precondition: {@link failureProblem} finds nothing. */
export function withFailure(source: CounterSource, failure: Failure | undefined): CounterSource {
  if (failure === undefined) return source;
  const { by } = failure;
  const { grpcStatus } = source;
  if (by.kind === 'grpc' && grpcStatus !== undefined) {
    const isBad = oneOfValues(grpcStatus.isBad.label, by.codes.map(String));
    return { ...source, grpcStatus: { ...grpcStatus, isBad } };
  }
  const [told] = statusMatchersOf(source);
  const values = told && valuesOf(by, told);
  if (told === undefined || values === undefined) return source;
  const { matcher, others } = told;
  const value = [...values, ...others].join('|');
  const own: LabelMatcher = { label: matcher.label, operator: '=~', value };
  const matchers = source.bad.matchers.map((one) => (matcherText(one) === matcherText(matcher) ? own : one));
  return { ...source, bad: { ...source.bad, matchers } };
}

/** The label whose statuses a definition names in place of the source; undefined where it is another one than that of `bad`. */
export function statusLabelOf(source: CounterSource, { by }: Failure): string | undefined {
  if (by.kind === 'grpc' && source.grpcStatus !== undefined) return undefined;
  return statusMatchersOf(source)[0]?.matcher.label;
}

/** Regular expressions of the statuses; undefined where the label has statuses of the other protocol. */
function valuesOf(by: FailureBy, told: StatusMatcher): readonly string[] | undefined {
  if (by.kind === 'http' && told.kind === 'http')
    return [...by.classes.map((digit) => `${digit}..`), ...by.codes.map(String)];
  if (by.kind === 'grpc' && told.kind === 'grpc')
    return told.spellings.flatMap((spelled) => namesOf(by.codes).flatMap(spelled));
  return undefined;
}

function namesOf(codes: readonly number[]): readonly GrpcStatus[] {
  return grpcStatuses.filter((name) => codes.includes(grpcCodes[name]));
}

type Mistake = Pick<SourceProblem, 'message' | 'fix'>;

/** As the port says. */
export function failureProblem(source: Source, { text, by }: Failure): Mistake | undefined {
  const own = counterSourceOf(source);
  const { grpcStatus } = own;
  if (by.kind === 'grpc' && grpcStatus !== undefined) {
    const named = namesOf(by.codes).map((name) => ({ name, values: [String(grpcCodes[name])] }));
    return excluded(own, grpcStatus.isBad.label, undefined, named);
  }
  const where = `bad of the source "${source.name}"`;
  const bad = badMatchers(own).map(matcherText).join(',');
  if (by.kind === 'errors') {
    return {
      message: `failure: errors is for traces: a counter marks errors only by a label that bad names (${where}: ${bad})`,
      fix: 'Remove failure, and let bad name the label that marks errors, such as outcome="error".',
    };
  }
  const [told, ...more] = statusMatchersOf(own);
  const example = by.kind === 'grpc' ? 'grpc_code=~"Unknown|Internal|Unavailable"' : 'code=~"5.."';
  if (told === undefined) {
    return {
      message: `failures cannot be told by ${text} here: ${where} has no status (${bad})`,
      fix: `Remove failure, and say in bad what fails. Or tell failures in bad by a label that has the status, such as ${example}: failure then takes its place.`,
    };
  }
  if (more.length > 0) {
    return {
      message: `failures cannot be told by ${text} here: ${where} has more than one status (${bad})`,
      fix: 'Remove failure, and say in bad what fails. Or leave one of the statuses in bad: failure then takes its place.',
    };
  }
  if (told.unclear !== undefined) {
    return {
      message: `failures cannot be told by ${text} here: "${told.unclear}" in ${where} selects statuses and other values as well`,
      fix: 'Write statuses and other values as alternatives of their own, such as 5..|0: the other values stay.',
    };
  }
  if (valuesOf(by, told) === undefined) {
    const [has, fitting] = told.kind === 'http' ? ['HTTP', '[5xx, 401]'] : ['gRPC', 'grpc'];
    return {
      message: `failures cannot be told by ${text} here: ${where} has a status of ${has} (${bad})`,
      fix: `Write a definition by statuses of ${has}, such as failure: ${fitting}. Or name a source whose bad has the other status, such as ${example}.`,
    };
  }
  return excluded(own, told.matcher.label, told.matcher, namedBy(by, told));
}

interface Named {
  readonly name: string;
  /** The values of the label that mean it. */
  readonly values: readonly string[];
  /** Of a class, single statuses may be left out. */
  readonly isClass?: true;
}

function namedBy(by: FailureBy, told: StatusMatcher): readonly Named[] {
  if (by.kind === 'http') {
    return [
      ...by.classes.map((digit): Named => ({ name: `${digit}xx`, values: allOfClass(digit), isClass: true })),
      ...by.codes.map((code) => ({ name: String(code), values: [String(code)] })),
    ];
  }
  if (by.kind !== 'grpc' || told.kind !== 'grpc') return [];
  return namesOf(by.codes).map((name) => ({
    name,
    values: told.spellings.flatMap((spelled) => spelled(name)),
  }));
}

/** A failure that other matchers of the same label do not let through would not be counted. */
function excluded(
  { name, bad }: CounterSource,
  label: string,
  told: LabelMatcher | undefined,
  named: readonly Named[],
): Mistake | undefined {
  const others = bad.matchers.filter(
    (one) => one.label === label && (told === undefined || matcherText(one) !== matcherText(told)),
  );
  const unclear = others.find(
    ({ operator, value }) => operator.endsWith('~') && regexProblem(value) !== undefined,
  );
  if (unclear !== undefined) {
    return {
      message: `it is unknown what ${matcherText(unclear)} of the source "${name}" leaves out: the regular expression ${regexProblem(unclear.value)}`,
      fix: 'Write it in a simpler way, or remove failure.',
    };
  }
  const tests = others.map((matcher) => ({ matcher, test: matcherTest(matcher) }));
  const refusing = (value: string) => tests.find(({ test }) => !test({ [label]: value }))?.matcher;
  for (const one of named) {
    const refused = one.values.flatMap((value) => refusing(value) ?? []);
    const [matcher] = refused;
    if (matcher === undefined || (one.isClass && refused.length < one.values.length)) continue;
    return {
      message: `${one.name} is among the failures, and the source "${name}" leaves such requests out (${matcherText(matcher)})`,
      fix: `Remove this matcher from the source, or ${one.name} from failure.`,
    };
  }
  return undefined;
}

/** A value such as 4xx, which some libraries write in place of a status. */
const statusClass = /^([1-5])xx$/i;

/** Whether a value is only the class of statuses of which a definition names single ones: whether it fails cannot be told. */
export function isClassOfNamed(value: string, { by }: Failure): boolean {
  const digit = statusClass.exec(value)?.[1];
  return digit !== undefined && by.kind === 'http' && by.codes.some((code) => String(code).startsWith(digit));
}

/**
 * Whether a value that a definition does not name is a status, and so shows that it is none of those. Words of gRPC are statuses for a
 * definition by HTTP too: some labels have both.
 */
export function showsStatus(value: string, failure: Failure): boolean {
  if (statusesOfGrpc.has(value) || failure.by.kind === 'grpc') return statusesOfGrpc.has(value);
  return /^\d+$/.test(value) || (statusClass.test(value) && !isClassOfNamed(value, failure));
}
