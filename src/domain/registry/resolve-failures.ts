import {
  type Failure,
  type FailureDocument,
  failsAlways,
  failureOf,
  grpcCodes,
  serverFaults,
} from '../sli/failure.ts';
import { sliKinds, sliNames } from '../sli/table.ts';
import { type RegistryInput, type Report, Reporter } from './findings.ts';
import { type Cuj, isOfOperation, type Service } from './model.ts';
import type { Source, SourceDialect } from './source-dialect.ts';

type Path = readonly (string | number)[];

/** By what a service is measured. */
export interface MeasuredBy {
  readonly source: string;
  /** What `source` names; undefined where it is no entry of the registry, or a wrong one. */
  readonly template: Source | undefined;
  readonly dialect: SourceDialect;
}

/** Whether definitions of the registry say what fails, and not the source alone. */
export function takesFailures({ source, dialect }: MeasuredBy): boolean {
  return isOfOperation(source) || dialect.failureProblem !== undefined;
}

/** Why a definition cannot be that of a service; undefined where it can. */
export function failureProblemOf(
  failure: Failure,
  { source, template, dialect }: MeasuredBy,
): { readonly message: string; readonly fix: string } | undefined {
  // A source that is wrong or unknown is reported already.
  if (isOfOperation(source) || template === undefined) return undefined;
  if (dialect.failureProblem !== undefined) return dialect.failureProblem(template, failure);
  return {
    message: `failure is set, but the source "${source}" says itself which events are bad`,
    fix: 'Remove failure, or change bad of the source.',
  };
}

/** Reports a definition of failure that a source cannot have, or by which nothing is ever good. `fix`: in place of the source's own. */
export function checkFailure(
  failure: FailureDocument | undefined,
  path: Path,
  measured: MeasuredBy,
  reporter: Reporter,
  fix?: string,
): void {
  if (failure === undefined) return;
  const problem = failureProblemOf(failureOf(failure), measured);
  if (problem !== undefined) {
    reporter.key(path, 'failure-on-template', failure, problem.message, fix ?? problem.fix);
  } else if (failsAlways(failureOf(failure))) {
    const isGrpc = failureOf(failure).by.kind === 'grpc';
    reporter.value(
      path,
      'failure-everything',
      failure,
      isGrpc
        ? 'OK is among the failures, so every request that succeeds would be one'
        : 'every status is a failure, so no request would ever be good',
      isGrpc ? 'Remove OK from the list.' : 'List only the statuses that users notice, such as [5xx, 429].',
    );
  }
}

/** Whether a CUJ has an objective for what fails. */
export function countsFailuresOf({ objectives }: Cuj): boolean {
  return sliNames.some((sli) => objectives[sli] !== undefined && sliKinds[sli].countsFailures === true);
}

/** Warns of definitions of failure that most likely do not mean what they say, where they are written. */
export function warnOfFailures(
  inputs: readonly RegistryInput[],
  services: ReadonlyMap<string, Service | undefined>,
  cujs: ReadonlyMap<string, Cuj>,
  warn: Report,
): void {
  for (const { file, document, broken } of inputs) {
    for (const [name, written] of Object.entries(document.services ?? {})) {
      if (broken?.services.has(name) === true) continue;
      const { failure } = written;
      const service = services.get(name);
      if (failure === undefined || service === undefined) continue;
      warnOf(failure, ['failure'], [service], new Reporter(warn, file, ['services', name]));
    }
    for (const [index, written] of (document.cujs ?? []).entries()) {
      if (broken?.cujs.has(index) === true) continue;
      const cuj = cujs.get(written.name);
      if (cuj === undefined || !countsFailuresOf(cuj)) continue;
      const reporter = new Reporter(warn, file, ['cujs', index]);
      const documents = typeof written.endpoints === 'object' ? written.endpoints : [];
      const inherited = new Set<string>();
      for (const [at, endpoint] of documents.entries()) {
        const own = typeof endpoint === 'string' ? undefined : endpoint.failure;
        const name = (typeof endpoint === 'string' ? undefined : endpoint.service) ?? written.service;
        if (own === undefined) {
          if (name !== undefined) inherited.add(name);
          continue;
        }
        warnOf(own, ['endpoints', at, 'failure'], of(services, [name]), reporter);
      }
      if (written.endpoints === '*' && written.service !== undefined) inherited.add(written.service);
      if (written.failure !== undefined)
        warnOf(written.failure, ['failure'], of(services, [...inherited]), reporter);
    }
  }
}

function of(
  services: ReadonlyMap<string, Service | undefined>,
  names: readonly (string | undefined)[],
): readonly Service[] {
  return names.flatMap((name) => (name === undefined ? [] : (services.get(name) ?? [])));
}

function warnOf(
  written: FailureDocument,
  path: Path,
  services: readonly Service[],
  reporter: Reporter,
): void {
  const { by } = failureOf(written);
  if (by.kind === 'grpc') {
    warnOfGrpcList(written, by.codes, path, reporter);
    const other = services.find(({ dialect, operation }) => {
      const status = operation === undefined ? undefined : dialect.statusOf?.(operation);
      return status === 'http' || status === 'none';
    });
    if (other === undefined) return;
    const isHttp = other.dialect.statusOf?.(other.operation as string) === 'http';
    reporter.value(
      path,
      'failure-of-other-protocol',
      written,
      `failures are told by the status of gRPC here, and requests of the operation "${other.operation}" ${isHttp ? 'have one of HTTP' : 'have no status'}: their failures are not seen (status_missing)`,
      isHttp
        ? 'Write failure: 5xx or a list of statuses, or correct the operation.'
        : 'Write failure: errors, or correct the operation.',
    );
    return;
  }
  if (by.kind !== 'http') return;
  const good = [
    ...by.classes.filter((digit) => digit < 4).map((digit) => `${digit}xx`),
    ...by.codes.filter((code) => code < 400).map(String),
  ];
  if (good.length > 0) {
    reporter.value(
      path,
      'failure-of-success',
      written,
      `${good.join(', ')} ${good.length === 1 ? 'is' : 'are'} among the failures, and such responses are ordinary`,
      'List statuses of 400 and above only, unless these are what users notice.',
    );
  }
  if (!by.classes.includes(5)) {
    reporter.value(
      path,
      'failure-without-5xx',
      written,
      'the list has no 5xx, so a request that ends in 5XX is good',
      'Add 5xx to the list, unless you mean it.',
    );
  }
}

/** A list of statuses of gRPC replaces the usual ones: people who mean "and also" leave these out. */
function warnOfGrpcList(
  written: FailureDocument,
  codes: readonly number[],
  path: Path,
  reporter: Reporter,
): void {
  if (serverFaults.some((name) => codes.includes(grpcCodes[name]))) return;
  reporter.value(
    path,
    'failure-without-server-faults',
    written,
    'the list has no status that is the fault of the server, so a request that ends in INTERNAL or UNAVAILABLE is good',
    `A list replaces the usual statuses. Add ${serverFaults.join(', ')}, unless you mean it.`,
  );
}
