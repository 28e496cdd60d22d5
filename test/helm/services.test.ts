import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { manifestsOf } from './manifests.ts';

interface Service {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly type: string;
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
  };
}

interface ServiceMonitor {
  readonly kind: string;
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly endpoints: readonly { readonly port: string; readonly honorLabels?: boolean }[];
  };
}

const goldens = new URL('testdata/', import.meta.url);
const written = readdirSync(goldens).filter((name) => name.endsWith('.golden.yaml'));
const objectsOf = (name: string) =>
  manifestsOf<{ kind: string }>(readFileSync(new URL(name, goldens), 'utf8'));

describe.each(written)('in %s', (name) => {
  const objects = objectsOf(name);
  const services = objects.filter(({ kind }) => kind === 'Service') as Service[];

  it('no Service that is seen from outside the cluster has the port of metrics and probes', () => {
    const outside = services.filter(({ spec }) => spec.type !== 'ClusterIP');
    expect(outside.flatMap(({ spec }) => spec.ports.map(({ targetPort }) => targetPort))).not.toContain(
      'admin',
    );
  });

  it('a ServiceMonitor finds one Service, and its port there', () => {
    const monitors = objects.filter(({ kind }) => kind === 'ServiceMonitor') as ServiceMonitor[];
    for (const { spec } of monitors) {
      const found = services.filter(({ metadata }) =>
        Object.entries(spec.selector.matchLabels).every(([key, value]) => metadata.labels[key] === value),
      );
      expect(found).toHaveLength(1);
      expect(found[0]?.spec.ports.map((port) => port.name)).toContain(spec.endpoints[0]?.port);
    }
  });

  it("a ServiceMonitor leaves the label service to the gate's metrics, which the dashboard asks for", () => {
    const monitors = objects.filter(({ kind }) => kind === 'ServiceMonitor') as ServiceMonitor[];
    for (const { spec } of monitors) expect(spec.endpoints[0]?.honorLabels).toBe(true);
  });

  it('the pod of `helm test` asks a Service and a port of it', () => {
    const [, host, port] = /'https?:\/\/([a-z0-9-]+):(\d+)\/readyz/.exec(JSON.stringify(objects)) ?? [];
    const asked = services.find(({ metadata }) => metadata.name === host);
    expect(asked?.spec.ports.map((one) => one.port)).toContain(Number(port));
  });
});

it('one of them has a load balancer and a port for metrics', () => {
  const shown = written.map((name) => JSON.stringify(objectsOf(name)));
  expect(
    shown.filter((text) => /"LoadBalancer"/.test(text) && /"targetPort":"admin"/.test(text)),
  ).not.toEqual([]);
});
