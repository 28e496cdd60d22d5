import { expect, it } from 'vitest';
import { tellsCallsLeft } from '../../src/domain/registry/backend-words.ts';
import { grafanaDashboard } from '../../src/generate/prometheus/grafana-dashboard.ts';
import { prometheusRules } from '../../src/generate/prometheus/prometheus-rules.ts';
import { registryOf as prometheusRegistry } from '../sources/prometheus/traffic.ts';
import { exampleDocument, registryOf, textOf } from './example.ts';

it('leaves out what only Datadog tells, where Prometheus alone measures', () => {
  const texts = [registryOf(exampleDocument()), prometheusRegistry()].map((registry) => [
    textOf(grafanaDashboard({ showsCallsLeft: tellsCallsLeft(registry) }), 'grafana/cuj-gate.json'),
    textOf(prometheusRules(registry), 'prometheus/cuj-gate.rules.yaml'),
  ]);
  const ofDatadog = /Datadog calls left|CujGateRateLimitLow|cuj_gate_source_rate_limit_remaining/;
  expect(texts.map((of) => of.map((text) => ofDatadog.test(text)))).toEqual([
    [true, true],
    [false, false],
  ]);
});
