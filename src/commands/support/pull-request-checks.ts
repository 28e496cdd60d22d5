import path from 'node:path';
import type { FoundBase } from '../../github/base-commit.ts';
import { type PullRequestReport, resultText } from '../../pull-request/comment.ts';
import type { PullRequestFinding } from '../../pull-request/finding.ts';
import { type ActionInputs, optionOf } from '../../pull-request/inputs.ts';
import { code } from '../../pull-request/markdown.ts';
import type { Io } from './io.ts';
import type { Checking } from './pull-request-checking.ts';
import { checkGenerated, checkRollouts, pathsOf } from './pull-request-manifests.ts';
import { checkRegistry } from './pull-request-registry.ts';

/** What the checks found, without what is known of the run. */
export type CheckedPullRequest = Omit<PullRequestReport, 'head' | 'base' | 'runUrl' | 'notes'>;

/**
 * Runs validate, generate --check and lint rollout as the inputs say, and compares the registries with those of `base`. Paths
 * are relative to `workspace`, which must be the working directory. `io` has no secrets in its environment.
 */
export async function checkPullRequest(
  inputs: ActionInputs,
  base: FoundBase,
  workspace: string,
  io: Io,
): Promise<CheckedPullRequest> {
  const { environment } = inputs;
  const env = environment === undefined ? io.env : { ...io.env, CUJ_GATE_ENVIRONMENT: environment };
  const checking: Checking = { inputs, base, workspace, io: { ...io, env } };
  const place = placeIn(checking);
  const checks: PullRequestReport['checks'][number][] = [];
  const findings: PullRequestFinding[] = [];
  const add = (what: string, found: readonly PullRequestFinding[]) => {
    const placed = found.map(place);
    findings.push(...placed);
    checks.push({ what, ...resultText(placed) });
  };

  const registries: PullRequestReport['registries'][number][] = [];
  const broken = new Set<string>();
  const unusedAllows = new Set(inputs.allow);
  let allCompared = true;
  for (const registry of inputs.registries) {
    const checked = await checkRegistry(registry, checking);
    add(`registry ${code(registry)}`, checked.findings);
    registries.push(checked.changes);
    for (const key of checked.usedAllows) unusedAllows.delete(key);
    if (checked.isBroken) broken.add(path.normalize(registry));
    allCompared &&= checked.compared;
  }
  if (allCompared) findings.push(...[...unusedAllows].map(unusedAllow));

  /** Whether a line can run: otherwise it would repeat what is said about its registry. */
  const canRun = (args: readonly string[], what: string): boolean => {
    if (!broken.has(path.normalize(optionOf(args, '--registry') as string))) return true;
    checks.push({ what, result: 'not checked: the registry has errors', outcome: 'skipped' });
    return false;
  };
  const differences: PullRequestReport['differences'][number][] = [];
  const generatedFiles = new Map<string, PullRequestReport['generatedFiles'][number]>();
  for (const args of inputs.generate) {
    const what = `generated files in ${code(optionOf(args, '--out') as string)}`;
    if (!canRun(args, what)) continue;
    const checked = await checkGenerated(args, checking);
    add(what, checked.findings);
    differences.push(...checked.differences);
    // Several lines may write into one folder.
    for (const one of checked.changed) generatedFiles.set(one.file, one);
  }
  for (const args of inputs.rollouts) {
    const what = `Rollouts in ${pathsOf(args).map(code).join(', ') || '`rollouts`'}`;
    if (canRun(args, what)) add(what, await checkRollouts(args, checking));
  }
  return { checks, findings, registries, differences, generatedFiles: [...generatedFiles.values()] };
}

function unusedAllow(key: string): PullRequestFinding {
  return {
    severity: 'warning',
    rule: 'allow-matches-nothing',
    message: `allow: ${key} matches no change of this pull request`,
    fix: 'Remove it from the workflow, or check the rule and the name.',
  };
}

/** Names files as git does, whatever the working directory is: annotations need it. */
function placeIn({ workspace, base }: Checking): (finding: PullRequestFinding) => PullRequestFinding {
  const root = 'why' in base ? workspace : base.root;
  return (finding) => {
    if (finding.file === undefined) return finding;
    const relative = path.relative(root, path.resolve(workspace, finding.file));
    return relative.startsWith('..') ? finding : { ...finding, file: relative };
  };
}
