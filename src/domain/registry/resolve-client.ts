import { type ClientEvent, type ClientSignal, clientEvents, clientFailureOf } from '../sli/client-failure.ts';
import type { Reporter } from './findings.ts';
import type { Endpoint, Service } from './model.ts';
import type { EndpointScope } from './resolve-endpoints.ts';
import type { ClientDocument, CujDocument } from './schema.ts';
import type { SourceDialect } from './source-dialect.ts';

/** The key of a view or an action among the endpoints of its client. A view and an action may have the same name. */
export function clientResource(event: ClientEvent, stored: string): string {
  return `${event}:${stored}`;
}

/** The name as it is stored, of a key that {@link clientResource} made. */
export function storedClientName(resource: string): string {
  return resource.slice(resource.indexOf(':') + 1);
}

/** The views and actions of a CUJ as endpoints of its client; what could not be resolved is reported and left out. */
export function readClient(cuj: CujDocument, scope: EndpointScope, reporter: Reporter): readonly Endpoint[] {
  const { client } = cuj;
  if (client === undefined) return [];
  const service = clientOf(client, scope, reporter);
  const { signals, slowMs } = readFails(client, reporter);
  if (client.views === undefined && client.actions === undefined) {
    reporter.missing(
      ['client'],
      'client-without-names',
      `the client side of the CUJ "${cuj.name}" has neither views nor actions, so there is nothing to judge`,
      'Add views or actions, with the names that RUM shows.',
    );
  }
  if (service === undefined) return [];
  const releasedWith = service.client?.releasedWith;
  const known = namesOf(service.name, scope.clientNames);
  return clientEvents.flatMap((event) => {
    const failure = clientFailureOf(event, signals, slowMs);
    return readNames(client, event, service.dialect, known, reporter).map(({ name, stored }) => ({
      service: service.name,
      resource: clientResource(event, stored),
      label: `${event} ${name}`,
      latencyMs: undefined,
      failure,
      ...(releasedWith === undefined ? {} : { releasedWith }),
    }));
  });
}

/** By key, the name as it is written first of a client's views and actions, those of other CUJs as well. */
type ClientNames = Map<string, string>;

function namesOf(service: string, all: Map<string, ClientNames>): ClientNames {
  const known = all.get(service) ?? new Map<string, string>();
  all.set(service, known);
  return known;
}

function clientOf(
  { service: name }: ClientDocument,
  { services, serviceNames, complete }: EndpointScope,
  reporter: Reporter,
): Service | undefined {
  const at = ['client', 'service'];
  if (!services.has(name)) {
    if (!complete) return undefined;
    const fix = 'Define it under services, with its application, or correct the name.';
    reporter.unknown(at, 'unknown-service', name, serviceNames, `the service "${name}" is not defined`, fix);
    return undefined;
  }
  const service = services.get(name);
  if (service === undefined || service.client !== undefined) return service;
  reporter.value(
    at,
    'client-without-application',
    name,
    `the service "${name}" has no application, so it is no client`,
    'Name a service that has the id of a RUM application as its application.',
  );
  return undefined;
}

function readFails({ fails = ['error'] }: ClientDocument, reporter: Reporter) {
  const signals: ClientSignal[] = [];
  let slowMs: number | undefined;
  for (const [index, one] of fails.entries()) {
    const isTwice = typeof one === 'string' ? signals.includes(one) : slowMs !== undefined;
    if (isTwice) {
      const what = typeof one === 'string' ? one : 'slow';
      const message = `${what} is in fails twice`;
      reporter.value(['client', 'fails', index], 'duplicate-fails', one, message, 'Remove one of them.');
    }
    if (typeof one === 'string') signals.push(one);
    else slowMs ??= slowMsOf(one.slow);
  }
  return { signals, slowMs };
}

function slowMsOf(text: string): number {
  return Number.parseInt(text, 10) * (text.endsWith('ms') ? 1 : 1000);
}

/**
 * What a search for the name cannot hold, or takes for something else: quotes and escapes, wildcards, and what cannot be seen.
 */
const unsearchable = /["\\*]|[\p{C}\p{Zl}\p{Zp}]/u;

/** What is wrong with a name as it is stored: letters that are kept and cannot be asked for, or nothing that is kept. */
function withoutLetters(stored: string, dialect: SourceDialect): string {
  const letters = [...new Set(stored)].filter((letter) => !dialect.isSafeTagValue(letter));
  return letters.length === 0 ? 'with some of these' : `without ${letters.join(' ')}`;
}

function readNames(
  client: ClientDocument,
  event: ClientEvent,
  dialect: SourceDialect,
  known: ClientNames,
  reporter: Reporter,
): readonly { readonly name: string; readonly stored: string }[] {
  const key = `${event}s` as const;
  const own = new Set<string>();
  return (client[key] ?? []).flatMap((name, index) => {
    const at = ['client', key, index];
    const stored = dialect.storedTagValue(name);
    if (unsearchable.test(name) || name.trim() !== name) {
      reporter.value(
        at,
        'client-name-unsafe',
        name,
        `the ${event} name ${JSON.stringify(name)} holds a quote, a backslash, a wildcard, a control character or a space at an end, which a search for it cannot hold safely`,
        'Give it another name in the application (startView, data-dd-action-name), and write that. There are no wildcards: list each name.',
      );
      return [];
    }
    if (!dialect.isSafeTagValue(stored)) {
      reporter.value(
        at,
        'client-name-unsafe',
        name,
        `the ${event} name "${name}" is stored as "${stored}", which cannot be put into a query safely`,
        `Only ${dialect.tagValueCharacters} can be asked for: give it a name ${withoutLetters(stored, dialect)} in the application (startView, data-dd-action-name), and write that.`,
      );
      return [];
    }
    const resource = clientResource(event, stored);
    const same = known.get(resource) ?? name;
    if (same !== name || own.has(stored)) {
      reporter.value(
        at,
        'duplicate-client-name',
        name,
        same === name
          ? `the ${event} "${name}" is in the CUJ twice`
          : `the ${event}s "${same}" and "${name}" are both stored as "${stored}", so they cannot be told apart`,
        same === name
          ? 'Remove one of them: each would count twice.'
          : 'Rename one of them in the application.',
      );
      return [];
    }
    known.set(resource, name);
    own.add(stored);
    return [{ name, stored }];
  });
}
