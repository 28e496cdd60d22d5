import { dayMs, durationMs } from '../domain/duration.ts';
import { boundText, decimal } from '../domain/judge/number-text.ts';
import { listed } from '../domain/name-lists.ts';
import { type JudgedCuj, judgementChange } from '../domain/registry/compare.ts';
import {
  type Cuj,
  cujCalled,
  type Endpoint,
  environmentsIn,
  type Registry,
  type RegistrySet,
} from '../domain/registry/model.ts';
import type { Objective } from '../domain/registry/objective.ts';
import { sliKinds, sliNames } from '../domain/sli/table.ts';
import { code } from './markdown.ts';

/** What a change of a registry does to one CUJ or environment, as Markdown in which text of others is code. */
export interface ChangeItem {
  /** One line. */
  readonly title: string;
  /** One line each. */
  readonly details: readonly string[];
}

/** What happens to CUJs and environments if `next` replaces `old`, in the order of the old registry, then of the new one. Pure. */
export function changesOfRegistries(old: RegistrySet, next: RegistrySet): readonly ChangeItem[] {
  const before = environmentsIn(old);
  const after = environmentsIn(next);
  const items: ChangeItem[] = [
    ...listItem(
      'environments removed',
      before.filter((name) => !after.includes(name)),
    ),
    ...listItem(
      'environments added',
      after.filter((name) => !before.includes(name)),
    ),
  ];
  const [alone] = old.byEnvironment.values();
  const pairs = [...next.byEnvironment].flatMap(([name, registry]) => {
    const former = old.byEnvironment.get(name) ?? (before.length === 0 ? alone : undefined);
    return former === undefined ? [] : [{ name, items: changesOf(former, registry) }];
  });
  // What is the same in all environments is there once.
  const found = new Map<string, { readonly item: ChangeItem; readonly environments: string[] }>();
  for (const { name, items: those } of pairs) {
    for (const item of those) {
      const key = JSON.stringify(item);
      const known = found.get(key) ?? { item, environments: [] };
      found.set(key, known);
      known.environments.push(name ?? '');
    }
  }
  for (const { item, environments } of found.values()) {
    const where = environments.length === pairs.length ? '' : ` (${environments.map(code).join(', ')} only)`;
    items.push({ ...item, title: `${item.title}${where}` });
  }
  return items;
}

/** The CUJs of a registry that is new. */
export function newRegistry(next: RegistrySet): readonly ChangeItem[] {
  const [any] = next.byEnvironment.values();
  return any === undefined ? [] : [...any.cujs.values()].map(added);
}

function listItem(what: string, names: readonly string[]): ChangeItem[] {
  return names.length === 0 ? [] : [{ title: `**${what}**: ${names.map(code).join(', ')}`, details: [] }];
}

function changesOf(old: Registry, next: Registry): readonly ChangeItem[] {
  const items: ChangeItem[] = [];
  const continued = new Set<string>();
  for (const before of old.cujs.values()) {
    const present = cujCalled(next, before.name);
    if (present === undefined) {
      items.push({
        title: `**removed** ${code(before.name)}`,
        details: ['The gate refuses questions about it, so rollouts in flight that ask would be aborted.'],
      });
      continue;
    }
    continued.add(present.name);
    if (present.retired !== undefined) {
      items.push({
        title: `**retired** ${code(before.name)}: ${code(present.retired)}`,
        details: ['It is no longer judged. Questions about it are answered inconclusive.'],
      });
      continue;
    }
    const details = detailsOf(
      { cuj: before, services: old.services },
      { cuj: present, services: next.services },
    );
    if (present.name !== before.name)
      items.push({
        title: `**renamed** ${code(before.name)} to ${code(present.name)}`,
        details: [`${code(before.name)} stays an alias: templates that ask by it are answered.`, ...details],
      });
    else if (details.length > 0) items.push({ title: `**changed** ${code(present.name)}`, details });
  }
  for (const { name } of old.retired.values()) {
    if (cujCalled(next, name) === undefined)
      items.push({ title: `**removed** ${code(name)}, which was retired`, details: [] });
  }
  for (const cuj of next.cujs.values()) {
    if (continued.has(cuj.name)) continue;
    const wasRetired = old.retired.has(cuj.name);
    const item = added(cuj);
    items.push(wasRetired ? { ...item, title: `${item.title}, which was retired` } : item);
  }
  return items;
}

function added(cuj: Cuj): ChangeItem {
  const { name, owner, mode, services, endpoints, gate, sloWindow } = cuj;
  const of = services.map(code).join(', ');
  const does = mode === 'observe' ? 'it only reports (`mode: observe`)' : 'it can abort rollouts';
  return {
    title: `**added** ${code(name)} of ${code(owner)}: ${does}`,
    details: [
      ...sliNames.flatMap((sli) => {
        const objective = cuj.objectives[sli];
        return objective === undefined
          ? []
          : [
              `${sli} ${percentOf(objective)} over ${sloWindow}: ${inMillion(objective)} of 1,000,000 requests may ${badOf(sli)}. A proven pass rules out that ${provenRate(objective, cuj)} do`,
            ];
      }),
      `rule ${code(gate.rule)}, over ${amount(endpoints.length, 'endpoint')} of ${of}: ${labels(endpoints)}`,
    ],
  };
}

const badOf = (sli: (typeof sliNames)[number]) => (sliKinds[sli].needsThreshold ? 'be slow' : 'fail');
const percentOf = ({ percent }: Objective) => `${decimal(percent)}%`;
const inMillion = ({ budgetPer100k }: Objective) => grouped(budgetPer100k * 10);
const provenRate = ({ budget }: Objective, { gate }: Cuj) =>
  boundText(Math.min(1, budget * gate.ruleOutBurn));

function grouped(number: number): string {
  return number.toLocaleString('en-US');
}

const maxLabels = 20;

function labels(endpoints: readonly Endpoint[]): string {
  return listed(
    endpoints.map(({ label }) => code(label)),
    maxLabels,
  );
}

function amount(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function detailsOf(old: JudgedCuj, next: JudgedCuj): readonly string[] {
  const [before, after] = [old.cuj, next.cuj];
  const lines: string[] = [];
  const value = (text: string) => code(text);
  const plainly = (key: string, from: string, to: string) => {
    if (from !== to) lines.push(`${code(key)}: ${value(from)} → ${value(to)}`);
  };
  for (const sli of sliNames) lines.push(...objectiveChange(sli, before, after));
  plainly('slo.window', before.sloWindow, after.sloWindow);
  if (before.mode !== after.mode)
    lines.push(
      after.mode === 'enforce'
        ? '`mode`: `observe` → `enforce`: **it can abort rollouts from now on**'
        : '`mode`: `enforce` → `observe`: **it only reports from now on, and aborts nothing**',
    );
  const change = judgementChange(old, next);
  for (const { key, before: from, after: to } of change?.settings ?? []) {
    if (!key.startsWith('slo.')) plainly(key, from, to);
  }
  if (change !== undefined && change.endpointsAdded.length > 0)
    lines.push(`endpoints added: ${labels(change.endpointsAdded)}`);
  if (change !== undefined && change.endpointsRemoved.length > 0)
    lines.push(`endpoints removed: ${labels(change.endpointsRemoved)}: their errors no longer count`);
  const names = (cuj: Cuj) => cuj.aliases ?? [];
  const gone = names(before).filter((alias) => !names(after).includes(alias) && alias !== after.name);
  const fresh = names(after).filter((alias) => !names(before).includes(alias) && alias !== before.name);
  if (fresh.length > 0) lines.push(`aliases added: ${fresh.map(code).join(', ')}`);
  if (gone.length > 0) lines.push(`aliases removed: ${gone.map(code).join(', ')}`);
  plainly('owner', before.owner, after.owner);
  plainly('tier', String(before.tier), String(after.tier));
  plainly('runbook', before.runbook ?? 'none', after.runbook ?? 'none');
  plainly('errorBudgetPolicy', policyText(before), policyText(after));
  return lines;
}

function policyText({ errorBudgetPolicy }: Cuj): string {
  return (
    errorBudgetPolicy
      .map(
        ({ below, action, gate }) =>
          `below ${decimal(below * 100)}%: ${action}${gate === undefined ? '' : ` (gate: ${gate})`}`,
      )
      .join('; ') || 'none'
  );
}

function objectiveChange(sli: (typeof sliNames)[number], before: Cuj, after: Cuj): readonly string[] {
  const [from, to] = [before.objectives[sli], after.objectives[sli]];
  if (from === undefined && to === undefined) return [];
  if (to === undefined) return [`${sli} is no longer judged (it was ${percentOf(from as Objective)})`];
  if (from === undefined)
    return [
      `${sli} is judged from now on: ${percentOf(to)}, so ${inMillion(to)} of 1,000,000 requests may ${badOf(sli)}`,
    ];
  if (from.budgetPer100k === to.budgetPer100k) return [];
  const ratio = to.budgetPer100k / from.budgetPer100k;
  const budget = ratio > 1 ? `${timesText(ratio)} times as much` : `${timesText(1 / ratio)} times less`;
  return [
    `${sli} objective **${percentOf(from)} → ${percentOf(to)}**: ${inMillion(to)} of 1,000,000 requests may ${badOf(sli)} instead of ${inMillion(from)}`,
    `its error budget over ${after.sloWindow} is ${budget}: ${outageText(to, after)} of a full outage instead of ${outageText(from, before)}`,
    `a proven pass rules out that ${provenRate(to, after)} ${badOf(sli)} instead of ${provenRate(from, before)}`,
  ];
}

function timesText(ratio: number): string {
  return decimal(Number(ratio.toPrecision(2)));
}

/** How long all requests may be bad, at even traffic. */
function outageText({ budget }: Objective, { sloWindow }: Cuj): string {
  const minutes = ((durationMs(sloWindow) ?? 30 * dayMs) * budget) / 60_000;
  if (minutes < 1) return `${Math.max(1, Math.round(minutes * 60))} s`;
  return minutes < 120
    ? `${decimal(Number(minutes.toPrecision(3)))} min`
    : `${decimal(Number((minutes / 60).toPrecision(3)))} h`;
}
