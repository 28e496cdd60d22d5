import type { Source, SourceProblem } from '../../../domain/registry/source-dialect.ts';
import {
  type Failure,
  type FailureBy,
  type GrpcStatus,
  grpcCodes,
  grpcStatuses,
} from '../../../domain/sli/failure.ts';
import { type LabelMatcher, matcherTest, matcherText, oneOfValues } from './label-matchers.ts';
import { badMatchers, type CounterSource, counterSourceOf } from './source-template.ts';

/**
 * Definitions of failure of the registry, over counters: one takes the place of the matcher by which `bad` of the source tells
 * statuses. Everything else of `bad` stays.
 */

/** The matcher of `bad` that tells failures by a status, and how its label writes statuses of gRPC. */
type StatusMatcher =
  | { readonly kind: 'http'; readonly matcher: LabelMatcher }
  | { readonly kind: 'grpc'; readonly matcher: LabelMatcher; readonly spellings: readonly Spelling[] };

type Spelling = (status: GrpcStatus) => string;

/** As Go's and Java's libraries, OpenTelemetry and proxies write them. */
const spellings: readonly Spelling[] = [
  (status) => String(grpcCodes[status]),
  (status) => status,
  (status) => status.toLowerCase(),
  // Of grpc-go's codes, OK is in capital letters, and Canceled has one l.
  (status) =>
    ({ OK: 'OK', CANCELLED: 'Canceled' })[status as string] ??
    status.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase()),
];

const errorsOfHttp = Array.from({ length: 200 }, (_, i) => String(400 + i));

/**
 * Undefined where `bad` tells failures by something else. Only by values that must be there: of a label that must not be "ok", nobody knows
 * what else it has.
 */
function statusMatcherOf(source: CounterSource): StatusMatcher | undefined {
  for (const matcher of badMatchers(source)) {
    if (matcher.operator.startsWith('!')) continue;
    const test = matcherTest(matcher);
    const accepts = (value: string) => test({ [matcher.label]: value });
    if (!accepts('200') && errorsOfHttp.some(accepts)) return { kind: 'http', matcher };
    const own = spellings.filter(
      (spelled) =>
        !accepts(spelled('OK')) && (accepts(spelled('INTERNAL')) || accepts(spelled('UNAVAILABLE'))),
    );
    if (own.length > 0) return { kind: 'grpc', matcher, spellings: own };
  }
  return undefined;
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
  const told = statusMatcherOf(source);
  const values = told && valuesOf(by, told);
  if (told === undefined || values === undefined) return source;
  const { matcher } = told;
  const own: LabelMatcher = { label: matcher.label, operator: '=~', value: values.join('|') };
  const matchers = source.bad.matchers.map((one) => (matcherText(one) === matcherText(matcher) ? own : one));
  return { ...source, bad: { ...source.bad, matchers } };
}

/** Regular expressions of the statuses; undefined where the label has statuses of the other protocol. */
function valuesOf(by: FailureBy, told: StatusMatcher): readonly string[] | undefined {
  if (by.kind === 'http' && told.kind === 'http')
    return [...by.classes.map((digit) => `${digit}..`), ...by.codes.map(String)];
  if (by.kind === 'grpc' && told.kind === 'grpc') {
    const names = grpcStatuses.filter((name) => by.codes.includes(grpcCodes[name]));
    return told.spellings.flatMap((spelled) => names.map(spelled));
  }
  return undefined;
}

/** As the port says. */
export function failureProblem(
  source: Source,
  { text, by }: Failure,
): Pick<SourceProblem, 'message' | 'fix'> | undefined {
  const own = counterSourceOf(source);
  const told = statusMatcherOf(own);
  if (by.kind === 'grpc' && own.grpcStatus !== undefined) return undefined;
  if (told !== undefined && valuesOf(by, told) !== undefined) return undefined;
  const bad = badMatchers(own).map(matcherText).join(',');
  const where = `bad of the source "${source.name}"`;
  if (by.kind === 'errors') {
    return {
      message: `failure: errors is for traces: a counter marks errors only by a label that bad names (${where}: ${bad})`,
      fix: 'Remove failure, and let bad name the label that marks errors, such as outcome="error".',
    };
  }
  const example = by.kind === 'grpc' ? 'grpc_code=~"Unknown|Internal|Unavailable"' : 'code=~"5.."';
  if (told === undefined) {
    return {
      message: `failures cannot be told by ${text} here: ${where} has no status (${bad})`,
      fix: `Remove failure, and say in bad what fails. Or tell failures in bad by a label that has the status, such as ${example}: failure then takes its place.`,
    };
  }
  const [has, fitting] = told.kind === 'http' ? ['HTTP', '[5xx, 401]'] : ['gRPC', 'grpc'];
  return {
    message: `failures cannot be told by ${text} here: ${where} has a status of ${has} (${bad})`,
    fix: `Write a definition by statuses of ${has}, such as failure: ${fitting}. Or name a source whose bad has the other status, such as ${example}.`,
  };
}

/** A value such as 4xx, which some libraries write in place of a status. */
const statusClass = /^([1-5])xx$/i;

/**
 * Whether a series shows by its status that it is good: one that has only the class of a status that is told apart from others of its class
 * does not.
 */
export function showsStatus(value: string, { by }: Failure): boolean {
  const digit = statusClass.exec(value)?.[1];
  if (digit === undefined || by.kind !== 'http') return true;
  return !by.codes.some((code) => String(code).startsWith(digit));
}
