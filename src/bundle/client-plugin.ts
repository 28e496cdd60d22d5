import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Plugin } from 'esbuild';
import { LayoutChanged, trimSerializer } from './trim-serializer.ts';
import { rootTypes, usedApis } from './used-apis.ts';

/** The Datadog client in a bundle: `full` and `none` are for comparisons. */
export type ClientKind = 'trimmed' | 'full' | 'none';

const serializer = /datadog-api-client-(v[12])[\\/]models[\\/]ObjectSerializer\.js$/;
const transport = /datadog-api-client-common[\\/]http[\\/]isomorphic-fetch\.js$/;

/** Puts the Datadog client, trimmed to what `ownSources` call of it, into a bundle. */
export function trimmedClient(clientDist: string, ownSources: readonly string[]): Plugin {
  return {
    name: 'trimmed-datadog-client',
    setup(build) {
      const apiFile = (version: string, api: string) =>
        path.join(clientDist, 'packages', `datadog-api-client-${version}`, 'apis', `${api}.js`);
      const readApi = (version: string, api: string) => readFileSync(apiFile(version, api), 'utf8');
      const used = usedApis(ownSources, readApi);

      build.onLoad({ filter: serializer }, async ({ path: file }) => {
        const version = serializer.exec(file)?.[1];
        const roots = used
          .filter((api) => api.version === version)
          .flatMap((api) => rootTypes(readApi(api.version, api.api), api, apiFile(api.version, api.api)));
        return { contents: trimSerializer(await readFile(file, 'utf8'), file, roots).source, loader: 'js' };
      });
      // The gate has its own transport; the client's would add node-fetch, whatwg-url and pako.
      build.onLoad({ filter: transport }, async ({ path: file }) => {
        const source = await readFile(file, 'utf8');
        if (!source.includes('exports.IsomorphicFetchHttpLibrary = IsomorphicFetchHttpLibrary;')) {
          throw new LayoutChanged(file, 'it exports no IsomorphicFetchHttpLibrary');
        }
        return { contents: noTransport, loader: 'js' };
      });
      build.onEnd(({ metafile }) => {
        for (const file of Object.keys(metafile?.inputs ?? {})) {
          const [, version, api] = /datadog-api-client-(v[12])\/apis\/(\w+)\.js$/.exec(file) ?? [];
          if (api !== undefined && !used.some((one) => one.version === version && one.api === api)) {
            throw new LayoutChanged(
              file,
              'it is in the bundle, but no source of ours that was read imports it',
            );
          }
        }
      });
    },
  };
}

const noTransport = `
class IsomorphicFetchHttpLibrary {
  send() {
    throw new Error('This bundle holds no transport of the Datadog client: give Configuration an httpApi.');
  }
}
exports.IsomorphicFetchHttpLibrary = IsomorphicFetchHttpLibrary;
`;

/**
 * Leaves the client out: a bundle to measure against. It starts, because every class that `ownSources` may take from the
 * client is there and does nothing; whatever asks Datadog fails in it.
 */
export function noClient(ownSources: readonly string[]): Plugin {
  const names = new Set(ownSources.join('\n').match(/\b[A-Z]\w+/g));
  const contents = [...names].map((name) => `exports.${name} = class {};`).join('\n');
  return {
    name: 'no-datadog-client',
    setup(build) {
      build.onResolve({ filter: /^@datadog\/datadog-api-client/ }, ({ path: specifier }) => ({
        path: specifier,
        namespace: 'no-datadog-client',
      }));
      build.onLoad({ filter: /.*/, namespace: 'no-datadog-client' }, () => ({ contents, loader: 'js' }));
    },
  };
}
