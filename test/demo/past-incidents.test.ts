import { describe, expect, it } from 'vitest';
import {
  type Incident,
  incidentErrorRate,
  planIncidents,
  type ServedEndpoint,
} from '../../src/demo/past-incidents.ts';
import type { Cuj, Registry } from '../../src/domain/registry/model.ts';
import { type Loose, smallRegistry } from '../generate/example.ts';

const now = Date.UTC(2026, 5, 1, 12);
const day = 86_400_000;

/** Every endpoint has so many requests an hour, of which 1 in 10,000 fails. */
function servedOf(registry: Registry): ServedEndpoint[] {
  const all = [...registry.cujs.values()].flatMap(({ endpoints }) => endpoints);
  const resources = [...new Set(all.map(({ resource }) => resource).filter((one) => one !== '*'))];
  return resources.map((resource) => ({ service: 'shop', resource, perHour: 1000, errorRate: 0.0001 }));
}

function planned(cujs: Loose[], broken: string[] = [], seed = 1) {
  const registry = smallRegistry(cujs);
  const endpoints = servedOf(registry);
  const incidents = planIncidents(registry, {
    seed,
    endpoints,
    broken: broken.map((name) => registry.cujs.get(name) as Cuj),
    nowMs: now,
  });
  return { incidents, left: (name: string) => leftOf(registry.cujs.get(name) as Cuj, endpoints, incidents) };
}

/** The share of a CUJ's budget that its endpoints' ordinary failures and incidents leave. */
function leftOf(cuj: Cuj, endpoints: readonly ServedEndpoint[], incidents: readonly Incident[]): number {
  const spanMs = Number(cuj.sloWindow.slice(0, -1)) * day;
  const its = endpoints.filter(({ resource }) =>
    cuj.endpoints.some((one) => one.resource === resource || one.resource === '*'),
  );
  const rates = its.map(({ resource, errorRate }) => {
    const own = incidents.filter((one) => one.resource === resource);
    return errorRate + incidentErrorRate(own, now - spanMs, spanMs);
  });
  const rate = rates.reduce((sum, one) => sum + one, 0) / rates.length;
  return 1 - rate / (cuj.objectives.availability?.budget as number);
}

const three = [
  { name: 'first', endpoints: ['GET /a'] },
  { name: 'second', endpoints: ['GET /b', 'POST /b'] },
  { name: 'third', endpoints: ['GET /c'] },
];

describe('planIncidents', () => {
  it('overspends one budget, leaves little of another, and most of all others', () => {
    const { left } = planned(three, ['first']);
    expect(left('second')).toBeCloseTo(-0.25, 6);
    expect(left('first')).toBeCloseTo(0.15, 6);
    expect(left('third')).toBeGreaterThan(0.5);
  });

  it('chooses those CUJs whose policy then has an action, and none whose rule would change', () => {
    const gated = [{ below: '50%', action: 'Careful', gate: 'strict' }];
    const { left } = planned([
      { ...three[0], errorBudgetPolicy: gated },
      three[1],
      { ...three[2], errorBudgetPolicy: [{ below: '0%', action: 'Repair' }] },
    ]);
    expect(left('third')).toBeCloseTo(-0.25, 6);
    expect(left('second')).toBeCloseTo(0.15, 6);
    expect(left('first')).toBeGreaterThanOrEqual(0.55);
  });

  it('lets no policy change a rule where every CUJ has one', () => {
    const errorBudgetPolicy = [{ below: '70%', action: 'Careful', gate: 'strict' }];
    for (const seed of [1, 2, 3]) {
      const { left } = planned(
        three.map((cuj) => ({ ...cuj, errorBudgetPolicy })),
        [],
        seed,
      );
      for (const { name } of three) expect(left(name)).toBeGreaterThanOrEqual(0.74);
    }
  });

  it('has no incident on an endpoint that two CUJs count', () => {
    const whole = { name: 'whole', endpoints: '*' };
    expect(planned([...three, whole]).incidents).toEqual([]);
    const shared = planned([...three, { name: 'fourth', endpoints: ['GET /a', 'GET /d'] }]);
    expect(shared.incidents.map(({ resource }) => resource)).not.toContain('get_/a');
    expect(shared.incidents.map(({ resource }) => resource)).toContain('get_/d');
  });

  it('is within the window, before the last day, in whole hours, and the same for a seed', () => {
    const cujs = three.map((cuj, i) => ({ ...cuj, slo: { window: ['7d', '30d', '90d'][i] } }));
    const { incidents } = planned(cujs, [], 3);
    expect(incidents).toHaveLength(3);
    expect(incidents).toEqual(planned(cujs, [], 3).incidents);
    for (const [i, { from, to, errorRate }] of incidents.entries()) {
      expect(from).toBeGreaterThanOrEqual(now - [7, 30, 90][i]! * day);
      expect(to).toBeLessThanOrEqual(now - day);
      expect((to - from) % 3_600_000).toBe(0);
      expect(errorRate).toBeGreaterThan(0);
      expect(errorRate).toBeLessThanOrEqual(0.9);
    }
  });
});
