import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { AnalysisOptions } from '../../../src/generate/argo/analysis-options.ts';
import { analysisTemplates } from '../../../src/generate/argo/analysis-templates.ts';
import { notifications } from '../../../src/generate/argo/notifications.ts';
import { rollouts } from '../../../src/generate/argo/rollout.ts';
import { virtualServices } from '../../../src/generate/argo/virtual-service.ts';
import { openslo } from '../../../src/generate/openslo/openslo.ts';
import { exampleDocument, options, registryOf } from '../../generate/example.ts';
import { registryOf as prometheusRegistryOf } from '../../generate/slo-rules-example.ts';
import { judgeOpenSlo } from '../judges/openslo.ts';
import { judgePrometheusRules } from '../judges/prometheus-rules.ts';
import { removeTemporary, temporaryFolder } from '../mortal.ts';
import type { Scenario } from '../scenario.ts';

const variants: Record<string, Partial<AnalysisOptions>> = {
  defaults: {},
  'cluster templates': { kind: 'ClusterAnalysisTemplate' },
  'a token': { auth: { kind: 'token', secret: 'cuj-gate', key: 'token' }, registryDigest: true },
  OAuth2: {
    auth: { kind: 'oauth2', tokenUrl: 'https://id.example.com/token', secret: 'cuj-gate', scopes: ['gate'] },
  },
  'links to pages': { publicUrl: 'https://gate.example.com' },
  'a label': { versionFrom: { kind: 'label', key: 'tags.datadoghq.com/version' }, initialDelay: '0s' },
};

export const scenario: Scenario = {
  name: 'generated',
  what: 'what is generated from the example registry is accepted by the API server, promtool and OpenSLO, and OpenSLO of Prometheus as well',
  backends: [],
  // On a machine that has built nothing, OpenSLO's validator is built here.
  timeoutMs: 600_000,
  async run({ kube, namespace, log }) {
    const registry = registryOf(exampleDocument());
    for (const [name, changes] of Object.entries(variants)) {
      const made = options(changes);
      const files = [
        ...analysisTemplates(registry, made),
        ...rollouts(registry, { ...made, analysis: 'cujs' }),
        ...rollouts(registry, { ...made, analysis: 'service' }),
        ...virtualServices(registry, {}),
        ...notifications(registry, made),
      ];
      const applied = await kube.apply(files.map(({ text }) => text).join('---\n'), {
        namespace,
        dryRun: true,
      });
      assert.ok(applied.length > 40, name);
      log(`${name}: ${applied.length} objects accepted`);
    }
    log(await judgePrometheusRules());
    log(await judgeOpenSlo());
    const dir = temporaryFolder();
    try {
      for (const { path, text } of openslo(prometheusRegistryOf()))
        writeFileSync(join(dir, basename(path)), text);
      log(await judgeOpenSlo(dir));
    } finally {
      removeTemporary(dir);
    }
  },
};
