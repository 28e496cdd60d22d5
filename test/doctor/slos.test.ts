import { afterEach, describe, expect, it } from 'vitest';
import { clinic, closeAll, registryOf, shopDocument, trade, visit } from './clinic.ts';
import { plantSlo } from './slo-of-cuj.ts';

afterEach(closeAll);

const registry = registryOf(shopDocument());

async function findingsWith(
  plant: (simulator: Awaited<ReturnType<typeof clinic>>) => void,
  document = shopDocument(),
) {
  const simulator = await clinic();
  trade(simulator);
  plant(simulator);
  const { findings } = await visit(simulator, document);
  return findings.filter(({ check }) => check.startsWith('slo-'));
}

describe('SLOs in Datadog beside the registry', () => {
  it('that are as Terraform made them are no finding', async () => {
    const findings = await findingsWith((simulator) => {
      plantSlo(simulator, registry, 'buy');
      plantSlo(simulator, registry, 'search');
      plantSlo(simulator, registry, 'search', 'latency');
    });
    expect(findings).toEqual([]);
  });

  it('that are missing are one note for all of them', async () => {
    const findings = await findingsWith((simulator) => plantSlo(simulator, registry, 'buy'));
    expect(findings).toMatchObject([
      {
        severity: 'info',
        check: 'slo-missing',
        message: 'no SLO in Datadog for search availability, search latency',
      },
    ]);
  });

  it('may be written otherwise, as long as they count the same', async () => {
    const findings = await findingsWith((simulator) => {
      plantSlo(simulator, registry, 'buy', 'availability', {
        edit: (query) => query.replace('}.as_count()', '} by {resource_name}.as_count()'),
      });
    });
    expect(findings.map(({ check }) => check)).toEqual(['slo-missing']);
  });

  it.each([
    [
      'another objective',
      { target: 99.9 },
      'slo-objective',
      'the registry says 99.95% over 30d, "[cuj-gate] buy availability" 99.9%',
    ],
    [
      'another window',
      { timeframe: '7d' as const },
      'slo-window',
      '"[cuj-gate] buy availability" has no target over 30d (it has: 7d)',
    ],
    [
      'an endpoint less',
      {
        edit: (query: string) =>
          query.replace('resource_name IN (get_/items/:id,post_/orders)', 'resource_name:post_/orders'),
      },
      'slo-queries',
      '"[cuj-gate] buy availability" does not count the endpoint get_/items/:id',
    ],
    [
      'an endpoint more',
      { edit: (query: string) => query.replace('post_/orders', 'post_/orders,get_/healthz') },
      'slo-queries',
      '"[cuj-gate] buy availability" counts the endpoint get_/healthz, the registry does not',
    ],
    [
      'another metric',
      { edit: (query: string) => query.replace('.hits{', '.errors{') },
      'slo-queries',
      '"[cuj-gate] buy availability" does not count the metric trace.express.request.hits',
    ],
  ])('are a warning with %s', async (_, change, check, message) => {
    const findings = await findingsWith((simulator) =>
      plantSlo(simulator, registry, 'buy', 'availability', change),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ severity: 'warning', check, message, about: 'cuj buy: availability SLO' }),
    );
  });

  it('are found by id whatever they are called, and an id that is gone is a warning', async () => {
    const id = '0123456789abcdef0123456789abcdef';
    const gone = 'f'.repeat(32);
    const document = structuredClone(shopDocument());
    Object.assign(document.cujs?.[0] as object, { sloId: { availability: id } });
    Object.assign(document.cujs?.[1] as object, { sloId: { latency: gone } });
    const findings = await findingsWith(
      (simulator) =>
        plantSlo(simulator, registry, 'buy', 'availability', { id, name: 'Orders work', target: 99 }),
      document,
    );
    expect(findings.map(({ check, severity }) => `${severity} ${check}`)).toEqual([
      'warning slo-objective',
      'warning slo-missing',
      'info slo-missing',
    ]);
    expect(findings[0]?.message).toContain('"Orders work" 99%');
    expect(findings[1]?.message).toContain(gone);
  });

  it('of a CUJ that is no more are named', async () => {
    const findings = await findingsWith((simulator) => {
      plantSlo(simulator, registry, 'buy', 'availability', {
        id: 'e'.repeat(32),
        name: '[cuj-gate] purchase availability',
      });
    });
    expect(findings.map(({ check }) => check)).toContain('slo-of-no-cuj');
  });
});
