import { LayoutChanged } from './trim-serializer.ts';

/** A class of the client, such as v2 MetricsApi, with the operations that are called on it. */
export interface UsedApi {
  readonly version: 'v1' | 'v2';
  readonly api: string;
  readonly operations: readonly string[];
}

/**
 * The operations that the source calls, found in its text: `apis/<Api>.js` is imported, and a method of the class is
 * called by name. An additional name costs a few kilobytes; no name at all is an error.
 * @throws LayoutChanged where an API is imported and none of its operations is called.
 */
export function usedApis(
  ownSources: readonly string[],
  readApi: (version: string, api: string) => string,
): UsedApi[] {
  const used = new Map<string, UsedApi>();
  const text = ownSources.join('\n');
  for (const [, version, api] of text.matchAll(/datadog-api-client-(v[12])\/apis\/(\w+)\.js/g)) {
    if ((version !== 'v1' && version !== 'v2') || api === undefined || used.has(`${version} ${api}`))
      continue;
    const file = `datadog-api-client-${version}/apis/${api}.js`;
    const operations = [...methodsOf(readApi(version, api), `${api}RequestFactory`, file).keys()];
    const called = operations.filter((name) => new RegExp(`\\.${name}\\(`).test(text));
    if (called.length === 0) throw new LayoutChanged(file, 'imported, but none of its operations is called');
    used.set(`${version} ${api}`, { version, api, operations: called });
  }
  return [...used.values()];
}

/** The names of the types that the operations write and read. */
export function rootTypes(apiSource: string, { api, operations }: UsedApi, file: string): string[] {
  const roots = new Set<string>();
  for (const part of ['RequestFactory', 'ResponseProcessor']) {
    const methods = methodsOf(apiSource, api + part, file);
    for (const operation of operations) {
      const body = methods.get(operation);
      if (body === undefined) throw new LayoutChanged(file, `${api}${part} has no ${operation}`);
      for (const type of typesIn(body, file)) roots.add(type);
    }
  }
  return [...roots];
}

/** Every call of the serialiser names its type as a string: one that does not would be missed. */
function typesIn(body: string, file: string): string[] {
  const calls = body.match(/ObjectSerializer\.(?:de)?serialize\(/g)?.length ?? 0;
  const types = [...body.matchAll(/ObjectSerializer\.(?:de)?serialize\([^;"]*?, "([^"]+)"/g)];
  if (types.length !== calls) {
    throw new LayoutChanged(
      file,
      `${calls} calls of the serialiser, of which ${types.length} name a type:\n${body}`,
    );
  }
  return types.map(([, type]) => type as string);
}

/** Method name → body, of a class as the TypeScript compiler prints it: members indented by four spaces. */
function methodsOf(source: string, name: string, file: string): Map<string, string> {
  const start = source.indexOf(`\nclass ${name} `);
  const end = source.indexOf('\n}\n', start);
  if (start < 0 || end < 0) throw new LayoutChanged(file, `no class ${name}`);
  const methods = new Map<string, string>();
  for (const [, method, body] of source
    .slice(start, end)
    .matchAll(/\n {4}(\w+)\(.*\) \{\n([\s\S]*?)\n {4}\}/g)) {
    if (method !== undefined && body !== undefined && method !== 'constructor') methods.set(method, body);
  }
  if (methods.size === 0) throw new LayoutChanged(file, `class ${name} has no methods`);
  return methods;
}
