import { readFileSync } from 'node:fs';
import path from 'node:path';
import { manifestsOf } from '../helm/manifests.ts';
import type { IngressRule } from './ingress.ts';

/** The configuration that docs/browser-access.md shows, and what the chart makes of its values. */

const root = path.join(import.meta.dirname, '../..');
const page = readFileSync(path.join(root, 'docs/browser-access.md'), 'utf8');

/** The code block of the page below `<!-- name -->`. */
export function documented(name: string): string {
  const text = new RegExp(`<!-- ${name.replaceAll('.', '\\.')} -->\n\`\`\`\\w+\n([\\s\\S]*?)\n\`\`\``).exec(
    page,
  )?.[1];
  if (text === undefined) throw new Error(`docs/browser-access.md has no code block below <!-- ${name} -->`);
  return `${text}\n`;
}

/** Replaces every occurrence of each text. Throws where one does not occur: the page has changed, and the test must too. */
export function replaced(text: string, replacements: Readonly<Record<string, string>>): string {
  return Object.entries(replacements).reduce((of, [from, to]) => {
    if (!of.includes(from)) throw new Error(`docs/browser-access.md no longer has ${JSON.stringify(from)}`);
    return of.replaceAll(from, to);
  }, text);
}

interface Manifest {
  readonly kind: string;
  // biome-ignore lint/suspicious/noExplicitAny: members of Kubernetes objects, whose types are not here
  readonly spec: any;
}

const manifests = manifestsOf<Manifest>(
  readFileSync(path.join(root, 'test/helm/testdata/browser.golden.yaml'), 'utf8'),
);

function only(kind: string): Manifest {
  const [found, more] = manifests.filter((one) => one.kind === kind);
  if (found === undefined || more !== undefined) throw new Error(`not one ${kind} in browser.golden.yaml`);
  return found;
}

/** The gate's settings about browsers and authentication, as the chart writes them for the page's values. */
export function gateSettings(): Record<string, string> {
  const env = only('Deployment').spec.template.spec.containers[0].env as { name: string; value?: string }[];
  return Object.fromEntries(
    env.flatMap(({ name, value }) =>
      /^CUJ_GATE_(AUTH_|PUBLIC_|BASE_)/.test(name) ? [[name, value ?? '']] : [],
    ),
  );
}

export function ingressRule(): IngressRule {
  const [rule] = only('Ingress').spec.rules;
  const [{ path: below, backend }] = rule.http.paths;
  return { host: rule.host, path: below, service: backend.service.name };
}
