import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { notifications } from '../../src/generate/argo/notifications.ts';
import { routes } from '../../src/http/server/routes.ts';
import { documentsOf, exampleDocument, type Loose, options, registryOf, smallRegistry } from './example.ts';

// The controller's own engine renders the templates in the scenario `notifications` of `npm run e2e`.

const publicUrl = 'https://ops.example.com/gate';
const example = registryOf(exampleDocument());
const guide = readFileSync('docs/generate.md', 'utf8');

function configMapOf(registry = example, url: string | null = publicUrl): Loose {
  const [file, ...others] = notifications(registry, options({ publicUrl: url ?? undefined }));
  expect(others).toEqual([]);
  const [configMap] = documentsOf(file!.text);
  return configMap;
}

/** The lines about metrics: owner, runbook, page, and whether the page takes the service. */
function known(registry = example, url: string | null = publicUrl): Record<string, Loose[]> {
  const { message } = parse(configMapOf(registry, url).data['template.cuj-gate-registry']);
  const lines = [...(message as string).matchAll(/^ {2}("(?:[^"\\]|\\.)*") \(list (.*)\)$/gm)];
  return Object.fromEntries(
    lines.map(([, name, values]) => [
      JSON.parse(name!),
      [...values!.matchAll(/"(?:[^"\\]|\\.)*"|true/g)].map(([value]) => JSON.parse(value)),
    ]),
  );
}

describe('the ConfigMap of notifications', () => {
  const { metadata, data } = configMapOf();

  it('has a trigger for each event, and what it sends', () => {
    expect(metadata).toEqual({ name: 'argo-rollouts-notification-configmap' });
    const triggers = Object.keys(data).filter((key) => key.startsWith('trigger.'));
    expect(triggers).toEqual([
      'trigger.on-cuj-gate-failed',
      'trigger.on-cuj-gate-inconclusive',
      'trigger.on-cuj-gate-recovered',
    ]);
    for (const trigger of triggers) {
      const [condition, ...others] = parse(data[trigger]);
      expect(others).toEqual([]);
      expect(Object.keys(condition)).toEqual(['when', 'oncePer', 'send']);
      for (const template of condition.send) expect(data).toHaveProperty([`template.${template}`]);
      expect(guide).toContain(`| \`${trigger.slice('trigger.'.length)}\` |`);
    }
  });

  it('has nothing that belongs to the platform: no service, no token, no subscription, no default', () => {
    for (const key of Object.keys(data))
      expect(key).toMatch(/^(trigger\.on-cuj-gate|template\.cuj-gate)-[a-z]+$/);
  });

  it('names no trigger like an event of Argo Rollouts, which would run it with every such event', () => {
    const reasons = /analysis-run|rollout|replica-set|traffic|experiment|step|target-group|weight/;
    for (const key of Object.keys(data)) expect(key).not.toMatch(reasons);
  });

  it('closes in its templates what it opens', () => {
    for (const [key, text] of Object.entries(data).filter(([name]) => name.startsWith('template.'))) {
      for (const field of stringsOf(parse(text as string))) {
        const actions = [...field.matchAll(/\{\{-? *(if|with|range|end)\b/g)].map(([, word]) => word);
        const open = actions.reduce((depth, word) => {
          expect(depth, key).toBeGreaterThanOrEqual(0);
          return depth + (word === 'end' ? -1 : 1);
        }, 0);
        expect(open, key).toBe(0);
      }
    }
  });
});

describe('what messages say from the registry', () => {
  it('is owner, runbook and page of every metric that a template has', () => {
    const metrics = known();
    expect(metrics['cuj-signup']).toEqual([
      'team-identity',
      'https://wiki.example.com/runbooks/signup',
      `${publicUrl}${routes.cujStatus.replace(':name', 'signup')}`,
    ]);
    // Its template takes the service as an argument, and so does its page.
    expect(metrics['cuj-subscribe']?.[3]).toBe(true);
    expect(metrics['service-member-api']).toEqual([
      '',
      '',
      `${publicUrl}${routes.serviceStatus.replace(':service', 'member-api')}`,
    ]);
    expect(Object.keys(metrics)).toHaveLength(example.cujs.size + 3);
  });

  it('has no page without the address of pages', () => {
    const metrics = known(example, null);
    expect(metrics['cuj-signup']).toEqual(['team-identity', 'https://wiki.example.com/runbooks/signup', '']);
    expect(metrics).not.toHaveProperty('service-member-api');
  });

  it('has the parameters of pages by the arguments of analysis runs', () => {
    const { message } = parse(configMapOf().data['template.cuj-gate-registry']);
    expect(message).toMatch(
      /\$params := dict\n {2}"stable-version" "stable_version"\n {2}"version" "version"\n/,
    );
  });

  it('has one metric for each service of a CUJ whose services take different parameters', () => {
    const registry = smallRegistry(
      [{ name: 'pay', endpoints: ['GET /a', { service: 'bank', method: 'POST', path: '/b' }] }],
      { bank: { env: 'prod', operation: 'http.request', canary: 'role:{role}' } },
    );
    const made = options({ publicUrl, params: new Map([['role', { kind: 'value', value: 'canary' }]]) });
    const [file] = notifications(registry, made);
    expect(file!.text).toContain(
      '"cuj-pay.bank" (list "team" "" "https://ops.example.com/gate/cujs/pay/status?service=bank")',
    );
    expect(file!.text).toContain('"role" "role"');
  });

  it('is one line without control sequences, whatever developers write', () => {
    const owner = 'team "a"\\ {{ .x }} <!channel>\n`b` & \u202e\ud800 決済';
    const metrics = known(
      smallRegistry([{ name: 'a', owner, runbook: `https://wiki.example.com/${'x'.repeat(900)}` }]),
    );
    const [shownOwner, runbook] = metrics['cuj-a'] as [string, string];
    expect(shownOwner).toBe('team "a"\\ {{ .x }} ‹!channel› `b` & 決済');
    expect(runbook).toMatch(/^https:\/\/wiki\.example\.com\/x+…$/);
    expect(Array.from(runbook)).toHaveLength(400);
  });

  it('is refused where Kubernetes could not store it', () => {
    const long = '決'.repeat(400);
    const cujs = Array.from({ length: 450 }, (_, i) => ({ name: `cuj-${i}`, owner: long, runbook: long }));
    expect(() => configMapOf(smallRegistry(cujs))).toThrow(
      /has \d+ bytes: Kubernetes stores at most 1048576/,
    );
  });
});

function stringsOf(value: Loose): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsOf) : [];
}
