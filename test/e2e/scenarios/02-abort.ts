import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  analysisRuns,
  deployRollout,
  measurementValues,
  recordWeights,
  rolloutPhase,
  setVersion,
  untilPhase,
  weights,
} from '../rollouts.ts';
import type { Scenario } from '../scenario.ts';
import { waitFor } from '../wait.ts';

const template = (url: string) => `
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: { name: answers }
spec:
  args: [{ name: canary-hash }, { name: version }]
  metrics:
    - name: answers
      interval: 2s
      successCondition: result startsWith "PASS"
      failureCondition: result startsWith "FAIL"
      failureLimit: 0
      inconclusiveLimit: 100
      consecutiveErrorLimit: 100
      provider:
        web:
          url: "${url}/?canary={{args.canary-hash}}&version={{args.version}}"
          jsonPath: "{$.summary}"
`;

export const scenario: Scenario = {
  name: 'abort',
  what: 'a result that changes from PASS to FAIL aborts a canary, whatever the backend',
  backends: [],
  async run({ kube, namespace, onEnd, log }) {
    const asked: string[] = [];
    let summary = 'PASS signup 0 of 288 requests failed';
    const gate = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ summary }));
    });
    await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
    onEnd(() => {
      gate.closeAllConnections();
      gate.close();
    });
    await kube.apply(template(`http://127.0.0.1:${(gate.address() as AddressInfo).port}`), { namespace });

    const shop = { namespace, name: 'shop' };
    await deployRollout(kube, {
      ...shop,
      version: 'v1',
      steps: [{ setWeight: 25 }, { pause: {} }],
      analysis: {
        templates: [{ templateName: 'answers' }],
        args: [
          { name: 'canary-hash', valueFrom: { podTemplateHashValue: 'Latest' } },
          {
            name: 'version',
            valueFrom: { fieldRef: { fieldPath: 'spec.template.metadata.labels.version' } },
          },
        ],
      },
    });
    assert.deepEqual(await analysisRuns(kube, shop), [], 'Argo runs no analysis on a first deploy');
    const { stableHash } = await rolloutPhase(kube, shop);

    const record = recordWeights(kube, shop);
    onEnd(() => record.stop());
    await setVersion(kube, shop, 'v2');
    await waitFor(() => weights(kube, shop), {
      what: 'weights 75,25',
      timeoutMs: 30_000,
      until: (now) => `${now}` === '75,25',
    });
    await waitFor(() => asked.length, {
      what: 'two measurements',
      timeoutMs: 30_000,
      until: (count) => count >= 2,
    });
    const { canaryHash } = await rolloutPhase(kube, shop);
    assert.notEqual(canaryHash, stableHash);
    assert.equal(asked[0], `/?canary=${canaryHash}&version=v2`);

    summary = 'FAIL signup 12 of 300 requests failed';
    const broken = Date.now();
    const { message } = await untilPhase(kube, shop, 'Degraded', 30_000);
    log(
      `Degraded ${((Date.now() - broken) / 1000).toFixed(1)} s after the first bad answer was to be had: ${message}`,
    );
    assert.match(
      message,
      /^RolloutAborted: .*Metric "answers" assessed Failed due to failed \(1\) > failureLimit \(0\)/,
    );

    const [run] = await analysisRuns(kube, shop);
    assert.equal(run?.status.phase, 'Failed');
    const values = measurementValues(run!, 'answers');
    assert.deepEqual(values[0], {
      metric: 'answers',
      phase: 'Successful',
      value: '"PASS signup 0 of 288 requests failed"',
      message: '',
    });
    assert.deepEqual(values.at(-1), {
      metric: 'answers',
      phase: 'Failed',
      value: '"FAIL signup 12 of 300 requests failed"',
      message: '',
    });

    await waitFor(() => weights(kube, shop), {
      what: 'weights 100,0 again',
      timeoutMs: 30_000,
      until: (now) => `${now}` === '100,0',
    });
    await record.stop();
    assert.deepEqual(record.seen, ['100,0', '75,25', '100,0']);
  },
};
