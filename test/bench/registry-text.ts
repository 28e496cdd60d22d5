import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Registries of any size. */

/** CUJs of `endpoints` endpoints each, of a hundred services: as documents, so that both YAML and JSON can be made of them. */
export function registryDocument(cujs: number, endpoints: number, from = 0, edit = ''): object {
  const services = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [
      `service-${i}`,
      { env: 'production', operation: 'http.request', canary: 'version:{version}' },
    ]),
  );
  return {
    apiVersion: 'cuj-gate/v1',
    ...(from === 0 ? { defaults: { slo: { availability: 99.95 } }, services } : {}),
    cujs: Array.from({ length: cujs }, (_, i) => ({
      name: `cuj-${from + i}`,
      owner: `team-${(from + i) % 50}${edit}`,
      service: `service-${(from + i) % 100}`,
      endpoints: Array.from({ length: endpoints }, (_, at) => `GET /api/v1/things-${from + i}/part-${at}`),
    })),
  };
}

/** YAML as people write it, for the documents above. */
export function yamlOf(document: object): string {
  const { defaults, services, cujs } = document as {
    defaults?: object;
    services?: Record<string, object>;
    cujs: { name: string; owner: string; service: string; endpoints: string[] }[];
  };
  const lines = ['apiVersion: cuj-gate/v1'];
  if (defaults !== undefined) lines.push(`defaults: ${JSON.stringify(defaults)}`);
  if (services !== undefined) {
    lines.push('services:');
    for (const [name, service] of Object.entries(services))
      lines.push(`  ${name}: ${JSON.stringify(service)}`);
  }
  lines.push('cujs:');
  for (const { name, owner, service, endpoints } of cujs) {
    lines.push(`  - name: ${name}`, `    owner: ${owner}`, `    service: ${service}`, '    endpoints:');
    for (const endpoint of endpoints) lines.push(`      - ${endpoint}`);
  }
  return `${lines.join('\n')}\n`;
}

/** A folder of files of a thousand CUJs each; returns its path. */
export function writeRegistry(folder: string, cujs: number, edit = ''): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (let from = 0; from < cujs; from += 1000) {
    const document = registryDocument(Math.min(1000, cujs - from), 10, from, edit);
    writeFileSync(path.join(folder, `cujs-${from}.yaml`), yamlOf(document));
  }
  return folder;
}
