import { type ClientFailure, withoutRepeatedEvents } from './client-failure.ts';

/**
 * What counts as a failure of a request, for the kinds of SLI that count failures. This is the one definition: queries, SLOs,
 * monitors, dashboards and doctor follow from it, and so do the words that people read.
 */

/** Statuses of gRPC by name. (grpc/grpc, doc/statuscodes.md.) */
export const grpcCodes = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcStatus = keyof typeof grpcCodes;

export const grpcStatuses = Object.keys(grpcCodes) as readonly GrpcStatus[];

/** The statuses that are the server's fault: those that OpenTelemetry's conventions for gRPC make an error of a server's span. */
export const serverFaults: readonly GrpcStatus[] = [
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
];

/** As the registry has it: `5xx`, `grpc`, `errors`, a list of statuses of HTTP, or statuses of gRPC. */
export type FailureDocument =
  | '5xx'
  | 'grpc'
  | 'errors'
  | readonly (string | number)[]
  | { readonly grpc: readonly GrpcStatus[] };

/** Which requests fail. Plain data: a verdict's record holds it. Where it is absent, those that end in 5XX do. */
export interface Failure {
  /** For people, and as a key: equal definitions have the same text. `5xx, 401`, `grpc`, `grpc INTERNAL`, `errors`. */
  readonly text: string;
  readonly by: FailureBy;
}

export type FailureBy =
  /** The status of HTTP: of a class (5 is 5XX), or one of the codes, none of which is of a class. Both are in order. */
  | { readonly kind: 'http'; readonly classes: readonly number[]; readonly codes: readonly number[] }
  /** The status of gRPC, as numbers in order. */
  | { readonly kind: 'grpc'; readonly codes: readonly number[] }
  /** The mark of an error that the request's span has, whatever its status. */
  | { readonly kind: 'errors' }
  /** What the client reports of a view or an action. */
  | ClientFailure;

/** Classes of statuses of HTTP by their first digit. */
export const statusClasses = [1, 2, 3, 4, 5] as const;

/** What an endpoint without a definition of its own is judged by. */
export const serverErrors: FailureBy = { kind: 'http', classes: [5], codes: [] };

export const defaultFailureText = '5xx';

/** The definition that a registry writes. */
export function failureOf(document: FailureDocument): Failure {
  if (document === '5xx') return { text: defaultFailureText, by: serverErrors };
  if (document === 'errors') return { text: 'errors', by: { kind: 'errors' } };
  if (document === 'grpc') return { text: 'grpc', by: { kind: 'grpc', codes: codesOf(serverFaults) } };
  if ('grpc' in document) {
    const codes = codesOf(document.grpc);
    const isDefault = codes.join() === codesOf(serverFaults).join();
    const names = grpcStatuses.filter((name) => codes.includes(grpcCodes[name]));
    return { text: isDefault ? 'grpc' : `grpc ${names.join(', ')}`, by: { kind: 'grpc', codes } };
  }
  const classes = inOrder(document.flatMap((one) => (typeof one === 'string' ? Number(one[0]) : [])));
  const codes = inOrder(
    document.flatMap((one) =>
      typeof one === 'number' && !classes.includes(Math.floor(one / 100)) ? one : [],
    ),
  );
  const texts = [...classes.map((digit) => `${digit}xx`).reverse(), ...codes];
  return { text: texts.join(', '), by: { kind: 'http', classes, codes } };
}

/** The most specific definition of an endpoint; absent where it comes to the default. */
export function failureIn(...written: readonly (Failure | undefined)[]): { readonly failure?: Failure } {
  const failure = written.find((one) => one !== undefined);
  return failure === undefined || failure.text === defaultFailureText ? {} : { failure };
}

/** Whether no request that succeeds would be good. Of gRPC, only OK is a success. */
export function failsAlways({ by }: Failure): boolean {
  if (by.kind === 'errors' || by.kind === 'client') return false;
  return by.kind === 'grpc' ? by.codes.includes(grpcCodes.OK) : by.classes.length === statusClasses.length;
}

/**
 * Whether only the server can be at fault for what fails. Other failures, such as a 401, come in storms that callers make: these
 * are no incident of the service, and must excuse no canary.
 */
export function isServersFault(failure: Failure | undefined): boolean {
  const { by } = failure ?? { by: serverErrors };
  if (by.kind === 'errors' || by.kind === 'client') return false;
  if (by.kind === 'grpc') {
    const known = codesOf(serverFaults);
    return by.codes.every((code) => known.includes(code));
  }
  return by.classes.every((digit) => digit === 5) && by.codes.every((code) => code >= 500);
}

/** The kinds of definitions by which a service is judged: `http` where no CUJ says anything of it. */
export function failureKindsOf(
  service: string,
  cujs: Iterable<{ readonly endpoints: readonly { readonly service: string; readonly failure?: Failure }[] }>,
): ReadonlySet<FailureBy['kind']> {
  const own = [...cujs].flatMap(({ endpoints }) => endpoints.filter((one) => one.service === service));
  return new Set(own.length === 0 ? ['http'] : own.map(({ failure }) => failure?.by.kind ?? 'http'));
}

/** What counts as a failure, in words, where a source of the registry says it. */
export function ofSourceText(source: string): string {
  return `bad of the source ${source}`;
}

/** What counts as a failure on some endpoints, in words, each once: `5xx, 401; errors`. Undefined where it is the default on all. */
export function failureTextOf(endpoints: Iterable<{ readonly failure?: Failure | undefined }>) {
  return joinedTexts([...endpoints].map(({ failure }) => failure?.text));
}

/** The same of the texts, where undefined is the default. */
export function joinedTexts(texts: readonly (string | undefined)[]): string | undefined {
  const distinct = [...new Set(texts.map((text) => text ?? defaultFailureText))];
  return distinct.every((text) => text === defaultFailureText)
    ? undefined
    : withoutRepeatedEvents(distinct).join('; ');
}

/**
 * Which requests are good, to follow the word "requests", where `usual` is said of the default. `failures`: what counts as a failure on
 * each endpoint, where undefined is the default.
 */
export function goodRequestsText(usual: string, failures: readonly (string | undefined)[]): string {
  const text = joinedTexts(failures);
  return text === undefined ? usual : `that do not fail (${text})`;
}

/** What a request lacks whose failure cannot be seen, by the text of the definition: undefined for the default, or where a source says it. */
export function statusNameOf(text: string | undefined): string {
  return text?.startsWith('grpc') === true ? 'status of gRPC' : 'status';
}

function codesOf(names: readonly GrpcStatus[]): readonly number[] {
  return inOrder(names.map((name) => grpcCodes[name]));
}

function inOrder(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}
