import { describe, expect, it } from 'vitest';
import { openslo } from '../../src/generate/openslo/openslo.ts';
import { documentsOf, exampleDocument, type Loose, registryOf, smallRegistry } from './example.ts';

const long = 'x'.repeat(200);
const awkward = smallRegistry([
  {
    name: `a${'b'.repeat(49)}`,
    title: long,
    description: 'y'.repeat(2000),
    owner: 'Team / 決済 (Payments)',
    runbook: `https://wiki.example.com/${long}`,
  },
  { name: 'c', owner: long },
]);

describe.each([
  ['the example registry', registryOf(exampleDocument())],
  ['a registry with long and odd names', awkward],
])('OpenSLO of %s', (_, registry) => {
  const all: Loose[] = openslo(registry).flatMap(({ text }) => documentsOf(text));
  const ofKind = (kind: string) => all.filter((each) => each.kind === kind);
  const namesOf = (kind: string) => ofKind(kind).map(({ metadata }) => metadata.name);

  it('has an SLO for each objective, and what it refers to', () => {
    const objectives = [...registry.cujs.values()].flatMap((cuj) =>
      Object.keys(cuj.objectives).map((sli) => `${cuj.name}-${sli}`),
    );
    expect(namesOf('SLO').sort()).toEqual(objectives.sort());
    for (const { spec } of ofKind('SLO')) {
      expect(namesOf('Service')).toContain(spec.service);
      expect(spec.alertPolicies).toHaveLength(3);
      for (const policy of spec.alertPolicies) expect(namesOf('AlertPolicy')).toContain(policy);
    }
    for (const { spec } of ofKind('AlertPolicy')) {
      for (const { targetRef } of spec.notificationTargets)
        expect(namesOf('AlertNotificationTarget')).toContain(targetRef);
    }
  });

  it('keeps the limits of names and texts', () => {
    for (const { apiVersion, kind, metadata, spec } of all) {
      expect(apiVersion).toBe('openslo/v1');
      expect(metadata.name, kind).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
      expect(Array.from(metadata.displayName as string).length).toBeLessThanOrEqual(63);
      expect((spec.description ?? '').length).toBeLessThanOrEqual(1050);
      for (const value of Object.values(metadata.labels ?? {}))
        expect(value).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
    }
    for (const kind of ['SLO', 'Service', 'AlertPolicy', 'AlertNotificationTarget']) {
      expect(new Set(namesOf(kind)).size).toBe(namesOf(kind).length);
    }
  });

  it('counts occurrences over a rolling window, good or bad of total', () => {
    for (const { spec, metadata } of ofKind('SLO')) {
      expect(spec.budgetingMethod).toBe('Occurrences');
      expect(spec.timeWindow).toEqual([{ duration: '30d', isRolling: true }]);
      expect(spec.objectives[0].target).toBeGreaterThan(0);
      expect(spec.objectives[0].target).toBeLessThan(1);
      const { ratioMetric } = spec.indicator.spec;
      expect(
        [ratioMetric.good, ratioMetric.bad].filter((part) => part !== undefined),
        metadata.name,
      ).toHaveLength(1);
      for (const part of [ratioMetric.total, ratioMetric.good ?? ratioMetric.bad]) {
        expect(part.metricSource).toMatchObject({
          type: 'Datadog',
          spec: { query: expect.stringContaining('.as_count()') },
        });
      }
    }
  });

  it('has one condition in each alert policy', () => {
    for (const { spec } of ofKind('AlertPolicy')) {
      expect(spec.conditions).toMatchObject([
        { kind: 'AlertCondition', spec: { condition: { kind: 'burnrate', op: 'gt' } } },
      ]);
    }
  });
});
