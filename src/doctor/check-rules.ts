import type { Registry } from '../domain/registry-model.ts';
import type { DoctorFinding } from './facts.ts';
import { count } from './words.ts';

/** Rules that abort for one unlucky request. */
export function checkRules(registry: Registry): DoctorFinding[] {
  return [...registry.cujs.values()].flatMap(({ name, mode, gate, objectives }) => {
    if (gate.rule !== 'strict' || mode === 'observe') return [];
    const strictest = Object.values(objectives).sort((a, b) => a.budget - b.budget)[0];
    if (strictest === undefined) return [];
    const enough = Math.ceil(100_000 / strictest.budgetPer100k);
    if (gate.minRequests >= enough) return [];
    return [
      {
        severity: 'warning' as const,
        check: 'strict-on-few-requests',
        about: `cuj ${name}`,
        message: `the rule is strict at ${strictest.percent}%, and minRequests is ${count(gate.minRequests)}`,
        verdict: `One failed request among fewer than ${count(enough)} is a fail, however good the release.`,
        fix: `Use the rule confidence, or set minRequests to at least ${enough}.`,
      },
    ];
  });
}
