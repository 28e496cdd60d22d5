import { queryAt } from '../domain/registry/resolve-endpoints.ts';
import { methods } from '../domain/registry/schema.ts';
import type { SourceDialect } from '../domain/registry/source-dialect.ts';
import type { FoundRoute, LeftOut } from './routes.ts';

/** Read from an OpenAPI description; `notes` are sentences for people. */
export interface OpenApiRoutes {
  readonly title: string;
  readonly routes: readonly FoundRoute[];
  readonly leftOut: readonly LeftOut[];
  /** The path that the first server puts before all routes. */
  readonly basePath: string;
}

/** The routes of an OpenAPI 3.x description. Throws an Error that says what is wrong with it. The dialect is that of who measures them. */
export function readOpenApi(value: unknown, { endpointKey }: SourceDialect): OpenApiRoutes {
  if (!isRecord(value)) throw new Error('it is not a mapping');
  if (typeof value.swagger === 'string' || typeof value.swagger === 'number') {
    throw new Error(`it is Swagger ${value.swagger}; convert it to OpenAPI 3 first`);
  }
  if (typeof value.openapi !== 'string' || !/^3\.\d/.test(value.openapi)) {
    throw new Error('it is not OpenAPI 3: the member openapi: 3.x is missing');
  }
  const paths = isRecord(value.paths) ? value.paths : {};
  const basePath = basePathOf(value.servers);
  const routes: FoundRoute[] = [];
  const leftOut: LeftOut[] = [];
  for (const [path, item] of Object.entries(paths)) {
    if (!isRecord(item)) continue;
    if (typeof item.$ref === 'string') {
      leftOut.push({ label: path, share: undefined, why: `it is described elsewhere (${item.$ref})` });
      continue;
    }
    for (const method of methods) {
      const operation = item[method.toLowerCase()];
      if (!isRecord(operation)) continue;
      const full = `${basePath}${path}`;
      const label = `${method} ${full}`;
      if (operation.deprecated === true) leftOut.push({ label, share: undefined, why: 'deprecated' });
      else if (!path.startsWith('/') || !/^\/\S*$/.test(full) || queryAt(full) >= 0)
        leftOut.push({ label, share: undefined, why: 'its path is invalid' });
      else {
        const tag = Array.isArray(operation.tags) ? operation.tags[0] : undefined;
        routes.push({
          label,
          route: { method, path: full },
          resource: endpointKey(method, full),
          share: undefined,
          tag: typeof tag === 'string' && /[a-z0-9]/i.test(tag) ? tag : undefined,
        });
      }
    }
  }
  const title = isRecord(value.info) && typeof value.info.title === 'string' ? value.info.title : 'an API';
  return { title, routes, leftOut, basePath };
}

/** `/api/v1` of `https://{host}/api/v1/`; a server's variables take their defaults. */
function basePathOf(servers: unknown): string {
  const server: unknown = Array.isArray(servers) ? servers[0] : undefined;
  if (!isRecord(server) || typeof server.url !== 'string') return '';
  const variables = isRecord(server.variables) ? server.variables : {};
  const url = server.url.replace(/\{([^{}]+)\}/g, (whole, name: string) => {
    const variable = variables[name];
    return isRecord(variable) && typeof variable.default === 'string' ? variable.default : whole;
  });
  const path = withoutSlashes(url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '').split(/[?#]/, 1)[0] as string);
  return /^(\/[^\s{}]*)?$/.test(path) ? path : '';
}

function withoutSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
