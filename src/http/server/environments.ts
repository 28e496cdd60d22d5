import type { FastifyRequest } from 'fastify';
import { CallerError } from '../../domain/errors.ts';
import { environmentParam } from '../../domain/registry/selector.ts';
import { nearestNames } from '../../suggestions/nearest.ts';
import type { Query } from '../status/query-params.ts';
import type { AppPorts, EnvironmentPorts, GatePorts } from './ports.ts';

/**
 * What is made of the ports of one environment, for the environment that a request names. What is made knows no other
 * environment, and finds no parameter that names one: it is taken out of the query.
 */
export type InEnvironment<T> = (request: FastifyRequest) => T;

/** Throws CallerError where the request names no environment, or one that is not there. */
export function inEnvironment<T>(
  ports: AppPorts | GatePorts,
  make: (ports: AppPorts) => T,
): InEnvironment<T> {
  if (!('environments' in ports)) {
    const only = make(ports);
    return () => only;
  }
  const { environments, ...common } = ports;
  const made = new Map<string | undefined, { readonly of: EnvironmentPorts; readonly value: T }>();
  return (request) => {
    const name = takeEnvironment(request, ports);
    // What is wired for an environment is replaced where a reload removed it and another brought it back.
    const of = environments.of(name);
    let known = made.get(name);
    if (known?.of !== of) {
      known = { of, value: make({ ...common, ...of }) };
      made.set(name, known);
    }
    return known.value;
  };
}

/** Whether a browser has to choose first. */
export function mustChoose(request: FastifyRequest, ports: AppPorts | GatePorts): boolean {
  if (!('environments' in ports) || ports.environments.only !== undefined) return false;
  const { values } = request.query as Query;
  return namesOf(ports).length > 0 && !values.has(environmentParam);
}

function namesOf(ports: GatePorts): readonly string[] {
  return ports.registry()?.environments ?? [];
}

/**
 * The environment that a request is about, undefined where the registry has none. Nothing is taken for granted: a rollout in one
 * environment must never be judged by the traffic of another.
 */
function takeEnvironment(request: FastifyRequest, ports: GatePorts): string | undefined {
  const names = namesOf(ports);
  if (names.length === 0) return undefined;
  const query = request.query as Query;
  if (query.mistake !== undefined) throw query.mistake;
  const values = new Map(query.values);
  const given = values.get(environmentParam);
  values.delete(environmentParam);
  request.query = { ...query, values } satisfies Query;
  const { only } = ports.environments;
  if (only !== undefined) {
    if (given === undefined || given === only) return only;
    throw invalid(
      `This gate answers for the environment "${only}" alone, and the request names "${shown(given)}".`,
      'Ask the gate of that environment, or correct the parameter environment. CUJ_GATE_ENVIRONMENT sets which one a gate answers for.',
      [only],
    );
  }
  if (given === undefined) {
    throw invalid(
      'The parameter environment is missing: the registry has several, and no verdict is given for any of them.',
      `Give it in the query: environment=NAME, one of: ${names.join(', ')}.`,
      names,
    );
  }
  if (names.includes(given)) return given;
  const [nearest] = nearestNames(given, names, { max: 1 });
  throw invalid(
    `The registry has no environment "${shown(given)}".`,
    `${nearest === undefined ? '' : `Did you mean "${nearest}"? `}It has: ${names.join(', ')}.`,
    names,
  );
}

function invalid(message: string, hint: string, known: readonly string[]): CallerError {
  return new CallerError('invalid_request', message, hint, { parameter: environmentParam, known });
}

function shown(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}...` : name;
}
