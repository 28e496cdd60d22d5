import { listed } from '../domain/name-lists.ts';
import type { Registry } from '../domain/registry/model.ts';
import { ruleFacts } from '../domain/registry/rules.ts';
import { sliKinds, sliNames } from '../domain/sli/table.ts';
import type { DoctorFinding } from './finding.ts';
import { count } from './words.ts';

/** CUJs that are judged in another way than their authors most likely meant. */
export function checkRules(registry: Registry): DoctorFinding[] {
  return [...unjudged(registry), ...strictOnFew(registry)];
}

/** Endpoints without a threshold, where every objective needs one. */
function unjudged(registry: Registry): DoctorFinding[] {
  return [...registry.cujs.values()].flatMap(({ name, endpoints, objectives }) => {
    const missing = endpoints.filter(({ latencyMs }) => latencyMs === undefined);
    const needed = sliNames.filter((sli) => objectives[sli] !== undefined);
    if (missing.length === 0 || !needed.every((sli) => sliKinds[sli].needsThreshold)) return [];
    return [
      {
        severity: 'warning' as const,
        check: 'endpoint-unjudged',
        about: `cuj ${name}`,
        message: `${needed.join(' and ')} is the only objective, and no latencyMs is given for ${listed(missing.map(({ label }) => label))}`,
        verdict: 'Failures of these endpoints are not detected: a broken canary passes.',
        fix: 'Add slo.availability, or latencyMs to the CUJ or to these endpoints, or remove them.',
      },
    ];
  });
}

/** Rules that abort for one unlucky request. */
function strictOnFew(registry: Registry): DoctorFinding[] {
  return [...registry.cujs.values()].flatMap(({ name, mode, gate, objectives }) => {
    if (ruleFacts[gate.rule].belowObjective !== 'fail' || mode === 'observe') return [];
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
