import { type Journey, journeys, type Route, routes } from './world.ts';

/**
 * The registries of a run, good and bad. Each good one has its own owner in all its CUJs, so that an answer that mixes two
 * registries is detected.
 */

export interface Variant {
  readonly owner: string;
  /** Ratio. */
  readonly availability: number;
  readonly cujs: readonly string[];
  readonly text: string;
}

/** What differs between the registries of two backends. */
export interface RegistryDialect {
  /** YAML before `services`, or nothing. */
  readonly sources: string;
  /** More members of `gate`, each with a comma before it. */
  readonly gate: string;
  /** Members of the service of a route, besides its `env`. */
  readonly service: (route: Route) => string;
  /** The name of a route in answers. */
  readonly endpointOf: (route: Route) => string;
}

const routeOf = new Map(routes.map((one) => [one.route, one]));

export function variant(number: number, dialect: RegistryDialect): Variant {
  // Not so low that the traffic of the small canary would be enough for a pass.
  const percent = [99.95, 99.9, 99.97][number % 3] as number;
  const owner = `team-${number}`;
  // Observed CUJs are added and removed; the other CUJs are always there.
  const cujs = Object.keys(journeys).filter((name) => !journeys[name]?.observed || number % 2 === 0);
  if (number % 4 === 3) cujs.reverse();
  const lines = cujs.map((name) => {
    const { routes: own, rule, latencyMs, whole, observed } = journeys[name] as Journey;
    const service = routeOf.get(own[0] as string)?.service;
    const latency = latencyMs === undefined ? '' : `slo: { availability: ${percent}, latency: 99 }`;
    const endpoints = own.map((text) => {
      const [method, path] = text.split(' ');
      const slow = latencyMs === undefined ? '' : `, latencyMs: ${latencyMs}`;
      return `{ service: ${routeOf.get(text)?.service}, method: ${method}, path: "${path}"${slow} }`;
    });
    const members = [
      `name: ${name}`,
      `owner: ${owner}`,
      `service: ${service}`,
      observed ? 'mode: observe' : '',
      rule === undefined ? '' : `gate: { rule: ${rule} }`,
      latency,
      `endpoints: ${whole ? '"*"' : `[${endpoints.join(', ')}]`}`,
    ];
    return `  - { ${members.filter((member) => member !== '').join(', ')} }`;
  });
  const services = [...new Map(routes.map((one) => [one.service, one])).values()].map(
    (one) => `  ${one.service}: { env: production, ${dialect.service(one)} }`,
  );
  const text = `apiVersion: cuj-gate/v1
# Edit ${number}
# The small canary must not pass, however long it runs.
defaults: { slo: { availability: ${percent} }, gate: { passAfter: never, minRequests: 0${dialect.gate} } }
${dialect.sources}services:
${services.join('\n')}
cujs:
${lines.join('\n')}
`;
  return { owner, availability: percent / 100, cujs, text };
}

/** Ways to spoil a registry, each of which must be refused. */
export const spoilers: readonly (readonly [name: string, spoil: (good: string) => string])[] = [
  ['empty file', () => ''],
  ['binary', () => '\u0000\u0001\ufffd\u0000'],
  ['cut off', (good) => good.slice(0, good.indexOf('cujs:') + 5)],
  ['unknown key', (good) => good.replace('defaults:', 'defautls:')],
  ['CUJ twice', (good) => good.replace('name: login', 'name: signup')],
  ['unknown service', (good) => good.replace('service: member-api,', 'service: nobody,')],
  ['objective of 100%', (good) => good.replace(/availability: [\d.]+/, 'availability: 100')],
  ['tabs', (good) => good.replaceAll('\n  ', '\n\t')],
  ['duplicate key', (good) => `${good}services: {}\n`],
  [
    'bomb',
    () =>
      `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefghi'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`).join('\n')}\n`,
  ],
  ['deep nesting', () => `cujs: ${'['.repeat(20_000)}${']'.repeat(20_000)}\n`],
  ['over 5 MiB', (good) => `${good}#${' '.repeat(5 * 1024 * 1024)}\n`],
];
