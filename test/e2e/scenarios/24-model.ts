import assert from 'node:assert/strict';
import { compareAll, comparisonText } from '../reach/model.ts';
import { Observer } from '../reach/observer.ts';
import { scripts } from '../reach/scripts.ts';
import type { Scenario } from '../scenario.ts';

export const scenario: Scenario = {
  name: 'model',
  what: 'the model of Argo Rollouts in test/simulate-rollouts does what the controller does, with the same answers',
  backends: [],
  // It compares times.
  alone: true,
  timeoutMs: 240_000,
  async run(context) {
    const observer = new Observer(context.kube);
    context.onEnd(() => observer.stop());
    const comparisons = await compareAll(context, observer, scripts);
    const different = comparisons.filter(({ differences }) => differences.length > 0);
    assert.equal(different.length, 0, different.map(comparisonText).join('\n'));
    const worst = Math.max(...comparisons.map(({ worstS }) => worstS));
    context.log(
      `${comparisons.length} rollouts end as in the model, every step within ${worst.toFixed(1)} s of it`,
    );
  },
};
