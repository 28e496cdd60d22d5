import { readFileSync } from 'node:fs';
import { parse, parseAllDocuments } from 'yaml';
import type { Registry } from '../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import { type AnalysisOptions, defaultAnalysisOptions } from '../../src/generate/argo/analysis-options.ts';
import type { GeneratedFile } from '../../src/generate/output/generated-file.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';

export const examplePath = 'config/cujs.yaml';

/** Data of any shape, for assertions. */
// biome-ignore lint/suspicious/noExplicitAny: what is asserted about has no type of its own.
export type Loose = any;

/** A copy of the example's document that tests may change. */
export function exampleDocument(): Loose {
  return parse(readFileSync(examplePath, 'utf8'));
}

/** The registry of a document, with a digest of no meaning. */
export function registryOf(document: Loose, digest = `sha256:${'0'.repeat(64)}`): Registry {
  const resolution = resolveRegistry([{ file: 'cujs.yaml', document }], digest, { dialect: datadogDialect });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings, null, 2));
  return resolution.registry;
}

/** A registry of one service with the CUJs given, each with one endpoint. */
export function smallRegistry(cujs: Loose[], services: Loose = {}): Registry {
  return registryOf({
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99.95 } },
    services: { shop: { env: 'prod', operation: 'http.request', canary: 'version:{version}' }, ...services },
    cujs: cujs.map((cuj) => ({ owner: 'team', service: 'shop', endpoints: ['GET /a'], ...cuj })),
  });
}

export function options(changes: Partial<AnalysisOptions> = {}): AnalysisOptions {
  return { ...defaultAnalysisOptions, ...changes };
}

/** Every document of some YAML, as Kubernetes would read it. */
export function documentsOf(text: string): Loose[] {
  return parseAllDocuments(text, { version: '1.1' }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });
}

export function textOf(files: readonly GeneratedFile[], path: string): string {
  const file = files.find((each) => each.path === path);
  if (file === undefined) throw new Error(`no ${path} among ${files.map((each) => each.path).join(', ')}`);
  return file.text;
}
