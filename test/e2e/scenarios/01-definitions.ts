import assert from 'node:assert/strict';
import { KubeError, kinds } from '../kube.ts';
import { serviceObjects } from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';

const template = `
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: { name: answers }
spec:
  args: [{ name: canary-hash }]
  metrics:
    - name: answers
      interval: 5s
      successCondition: result startsWith "PASS"
      failureCondition: result startsWith "FAIL"
      failureLimit: 0
      provider:
        web: { url: "http://127.0.0.1:1/?canary={{args.canary-hash}}", jsonPath: "{$.summary}" }
`;

export const scenario: Scenario = {
  name: 'definitions',
  what: "the API server judges Rollouts, AnalysisTemplates and VirtualServices by Argo's and Istio's own definitions",
  backends: [],
  async run({ kube, namespace }) {
    const objects = serviceObjects({ namespace, name: 'shop', version: 'v1', steps: [{ setWeight: 10 }] });
    const applied = await kube.apply(objects, { dryRun: true });
    assert.deepEqual(
      applied.map(({ kind }) => kind),
      ['Service', 'Service', 'VirtualService', 'Rollout'],
    );
    await kube.apply(template, { namespace, dryRun: true });
    assert.deepEqual(await kube.list(kinds.AnalysisTemplate, namespace), [], 'a dry run must keep nothing');

    // A check that accepts everything would prove nothing.
    await assert.rejects(
      () =>
        kube.apply(template.replace('interval: 5s', 'interval: 5s\n      intervall: 5s'), {
          namespace,
          dryRun: true,
        }),
      (error) => error instanceof KubeError && /intervall/.test(error.message),
    );
    await assert.rejects(
      () => kube.apply(template.replace('failureLimit: 0', 'failureLimit: [0]'), { namespace, dryRun: true }),
      (error) => error instanceof KubeError && /failureLimit/.test(error.message),
    );
  },
};
