import type { RegistryInput, Reporter } from './findings.ts';
import type { Service } from './model.ts';
import type { ServiceDocument } from './schema.ts';
import type { SourceDialect } from './source-dialect.ts';

/** The services that CUJs name as their client. */
export function clientsNamedIn(inputs: readonly RegistryInput[]): ReadonlySet<string> {
  // A document that did not pass the schema may hold anything.
  const cujs = inputs.flatMap(({ document }) => document.cujs ?? []) as readonly (ClientOf | null)[];
  return new Set(cujs.flatMap((cuj) => cuj?.client?.service ?? []));
}

interface ClientOf {
  readonly client?: { readonly service?: string } | null;
}

/** Whether a service is a client by all that is said of it, but has no application. Reported here, and nowhere else. */
export function lacksApplication(
  name: string,
  { application, operation, releasedWith, source = 'trace' }: ServiceDocument,
  namedAsClients: ReadonlySet<string>,
  { countsClients }: SourceDialect,
  reporter: Reporter,
): boolean {
  if (countsClients !== true) return false;
  if (application !== undefined || operation !== undefined || source !== 'trace') return false;
  if (releasedWith === undefined && !namedAsClients.has(name)) return false;
  reporter.missing(
    [],
    'application-missing',
    `the service "${name}" is a client (${releasedWith === undefined ? 'a CUJ names it as its client' : 'it has releasedWith'}) and has no application`,
    'Add application, the id of its RUM application: the applicationId that its SDK starts with. If it is a server, add operation.',
  );
  return true;
}

/** Reports what a client cannot have, and what only a client has. `services` are all of the registry. */
export function checkClient(
  name: string,
  document: ServiceDocument,
  services: ReadonlyMap<string, Service | undefined>,
  dialect: SourceDialect,
  complete: boolean,
  reporter: Reporter,
): void {
  const { application, releasedWith } = document;
  if (application === undefined) {
    if (releasedWith === undefined) return;
    reporter.key(
      ['releasedWith'],
      'released-with-without-application',
      releasedWith,
      `the service "${name}" has no application, and only a client is released with another service`,
      'Add application, the id of its RUM application, or remove releasedWith.',
    );
    return;
  }
  if (dialect.countsClients !== true) {
    reporter.key(
      ['application'],
      'client-unsupported',
      application,
      `the service "${name}" is a client, and clients cannot be measured with ${dialect.backend}`,
      'Remove the service, or measure with a backend that counts what happens on clients (docs/client-side.md).',
    );
  }
  for (const field of ['source', 'operation', 'failure'] as const) {
    // What CUE writes where nothing is said.
    const isDefault = field === 'source' && document.source === 'trace';
    if (document[field] === undefined || isDefault) continue;
    reporter.key(
      [field],
      'field-of-server',
      document[field],
      `the service "${name}" is a client, which has no ${field}`,
      field === 'failure'
        ? 'Remove it: fails, under client of a CUJ, says which views and actions fail.'
        : 'Remove it, or define the server as a service of its own.',
    );
  }
  checkReleasedWith(name, document, services, complete, reporter);
}

function checkReleasedWith(
  name: string,
  { releasedWith }: ServiceDocument,
  services: ReadonlyMap<string, Service | undefined>,
  complete: boolean,
  reporter: Reporter,
): void {
  if (releasedWith === undefined) return;
  const server = services.get(releasedWith);
  if (!services.has(releasedWith)) {
    if (!complete) return;
    reporter.unknown(
      ['releasedWith'],
      'unknown-service',
      releasedWith,
      [...services.keys()].filter((one) => one !== name),
      `the service "${releasedWith}" is not defined`,
      'Define it under services, or correct the name.',
    );
    return;
  }
  if (server?.client !== undefined) {
    reporter.value(
      ['releasedWith'],
      'released-with-client',
      releasedWith,
      `"${releasedWith}" is a client as well, and no Rollout releases it with "${name}"`,
      'Name the service whose Rollout releases both, or remove releasedWith.',
    );
    return;
  }
  const client = services.get(name);
  if (server === undefined || client === undefined) return;
  // Stable's placeholders are filled where they are sent; without them, stable would be every other version.
  const filled = { canary: server.canary.params, stable: paramsIn(server) };
  for (const side of ['canary', 'stable'] as const) {
    const sent: readonly string[] = filled[side];
    const more = (client[side]?.params ?? []).filter((param) => !sent.includes(param));
    if (more.length === 0) continue;
    reporter.value(
      [side],
      'released-with-parameters',
      client[side]?.text,
      `the ${side} of "${name}" takes ${more.join(', ')}, which rollouts of "${releasedWith}" do not send`,
      `Use the placeholders of "${releasedWith}": ${sent.join(', ') || 'it has none'}. If both have versions of their own, remove releasedWith: each is then judged by its own rollouts.`,
    );
  }
}

function paramsIn({ canary, stable }: Service): readonly string[] {
  return [...new Set([...canary.params, ...(stable?.params ?? [])])];
}

/** Reports an application that two services have. `first` holds those of the services before. */
export function checkApplication(
  name: string,
  { application }: ServiceDocument,
  first: Map<string, string>,
  reporter: Reporter,
): void {
  if (application === undefined) return;
  const other = first.get(application);
  if (other === undefined) {
    first.set(application, name);
    return;
  }
  reporter.value(
    ['application'],
    'duplicate-application',
    application,
    `the services "${other}" and "${name}" are the same application, so each event would be counted and billed twice`,
    'Keep one of them, and name it in all CUJs.',
  );
}
