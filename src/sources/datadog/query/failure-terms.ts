import { type Failure, grpcStatuses, serverErrors, statusClasses } from '../../../domain/sli/failure.ts';

/**
 * What the registry's definitions of failure are in Datadog's trace metrics: the metric and the conditions. It is the one
 * place: verdicts, SLOs, doctor and links follow. Which tags the metrics carry, and from where that is known, is in
 * docs/development/datadog.md.
 */
export type FailureTerms = StatusTerms | ErrorTerms;

/** By a tag of `trace.<operation>.hits`, so that bad events are a part of the total by construction. */
export interface StatusTerms {
  readonly kind: 'status';
  /** The tag that tells. */
  readonly tag: string;
  readonly bad: string;
  /** What is left without bad events, with a status or not. */
  readonly notBad: string;
  /** What has a status, and is not bad. */
  readonly otherStatus: string;
  /** Conditions that all hold for what has no status. */
  readonly noStatus: readonly string[];
}

/**
 * By another metric, `trace.<operation>.errors`, of which no tag tells the good events. Hits and errors are asked for a second
 * time, each in two halves, so that a series which is lost is seen: conditions of which each event meets exactly one.
 */
export interface ErrorTerms {
  readonly kind: 'errors';
  readonly halves: readonly string[];
}

/** A bare `*` is documented nowhere; what begins with something is. */
const classTerm = (digit: number) => `http.status_code:${digit}*`;

/** The terms of a definition; undefined: 5XX. */
export function failureTermsOf(failure: Failure | undefined): FailureTerms {
  const by = failure?.by ?? serverErrors;
  if (by.kind === 'errors') return { kind: 'errors', halves: [classTerm(5), `NOT ${classTerm(5)}`] };
  if (by.kind === 'grpc') {
    const tag = 'rpc.grpc.status_code';
    const all = grpcStatuses.map((_, code) => code);
    return {
      kind: 'status',
      tag,
      bad: oneOfCodes(tag, by.codes),
      notBad: noneOfCodes(tag, by.codes),
      otherStatus: oneOfCodes(
        tag,
        all.filter((code) => !by.codes.includes(code)),
      ),
      noStatus: [noneOfCodes(tag, all)],
    };
  }
  if (by.kind === 'client') throw new TypeError(`traces do not count ${by.event}s of a client`);
  const tag = 'http.status_code';
  const { classes, codes } = by;
  const bad = [...classes.map(classTerm), ...(codes.length === 0 ? [] : [oneOfCodes(tag, codes)])];
  const noCode = codes.length === 0 ? [] : [noneOfCodes(tag, codes)];
  const others = statusClasses.filter((digit) => !classes.includes(digit)).map(classTerm);
  return {
    kind: 'status',
    tag,
    bad: anyOf(bad),
    notBad: [...classes.map((digit) => `NOT ${classTerm(digit)}`), ...noCode].join(' AND '),
    otherStatus: [anyOf(others), ...noCode].join(' AND '),
    noStatus: statusClasses.map((digit) => `NOT ${classTerm(digit)}`),
  };
}

/** A name of a definition that may stand in the name of a query: `5xx_401`, `grpc`, `errors`. */
export function queryLabelOf({ text }: Failure): string {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, '_');
}

function anyOf(terms: readonly string[]): string {
  return terms.length === 1 ? (terms[0] as string) : `(${terms.join(' OR ')})`;
}

function oneOfCodes(tag: string, codes: readonly number[]): string {
  return codes.length === 1 ? `${tag}:${codes[0]}` : `${tag} IN (${codes.join(',')})`;
}

/** NOT IN is what the documentation shows for whole values. It holds for what has no such tag. */
function noneOfCodes(tag: string, codes: readonly number[]): string {
  return `${tag} NOT IN (${codes.join(',')})`;
}
