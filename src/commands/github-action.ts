import { randomUUID } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { type Redact, redactor } from '../domain/redact.ts';
import { findBase } from '../github/base-commit.ts';
import { type CommentResult, writeComment } from '../github/pull-request-comment.ts';
import {
  commentText,
  findingText,
  isWorthAComment,
  markerOf,
  type PullRequestReport,
  summaryText,
} from '../pull-request/comment.ts';
import { type ChangeEvent, EventError, readEvent } from '../pull-request/event.ts';
import { countOf, sortedFindings } from '../pull-request/finding.ts';
import { type ActionInputs, readInputs } from '../pull-request/inputs.ts';
import { annotationsOf, plainLog } from '../pull-request/workflow-commands.ts';
import { exitCodes, type Io } from './support/io.ts';
import { checkPullRequest } from './support/pull-request-checks.ts';

const about = `Runs the checks of the GitHub Action in action.yml, which starts this command: validate with the base branch, \
generate --check and lint rollout. Writes annotations, the job summary and one comment on the pull request. Reads \
INPUT_… and GITHUB_… variables, as GitHub sets them. Exit code 1 if a check fails.`;

/** `cuj-gate github-action`, which action/start.ts starts in the workspace. */
export function githubActionCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('github-action').description(about).action(async () => exit(await githubAction(io)));
}

/** What is wrong with the workflow itself: nothing was checked. */
class MisuseError extends Error {
  override readonly name = 'MisuseError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** Runs the action. Returns the exit code. */
export async function githubAction(io: Io): Promise<number> {
  const secrets = [
    'INPUT_TOKEN',
    'INPUT_DD-API-KEY',
    'INPUT_DD-APP-KEY',
    'DD_API_KEY',
    'DD_APP_KEY',
    'GITHUB_TOKEN',
  ];
  const redact = redactor(
    secrets.map((name) => io.env[name]?.trim()).filter((text) => (text?.length ?? 0) > 7),
  );
  try {
    return await checkAndReport(io, redact);
  } catch (error) {
    const problems =
      error instanceof MisuseError
        ? error.problems
        : error instanceof EventError
          ? [error.message]
          : undefined;
    if (problems === undefined) {
      // The message may hold text of the change: see plainLog.
      io.stdout.write(plainLog(redact((error as Error).stack ?? String(error)), randomUUID()));
    }
    const said = problems ?? ['The action failed unexpectedly. The log of this step has the details.'];
    const findings = said.map((message) => ({
      severity: 'error' as const,
      rule: 'not-run',
      message: redact(message),
      fix: 'Correct the step in the workflow: docs/github-action.md describes it.',
    }));
    for (const line of annotationsOf(findings).lines) io.stdout.write(line);
    return exitCodes.misuse;
  }
}

async function checkAndReport(io: Io, redact: Redact): Promise<number> {
  const workspace = required(io, 'GITHUB_WORKSPACE');
  const read = readInputs(io.env);
  if (!read.ok) throw new MisuseError(read.problems);
  const { inputs } = read;
  const event = await eventOf(io);
  const access = {
    temp: io.env.RUNNER_TEMP || tmpdir(),
    serverUrl: io.env.GITHUB_SERVER_URL || 'https://github.com',
    token: inputs.token,
    env: withoutSecrets(io.env),
  };
  const [first] = inputs.registries as readonly [string, ...string[]];
  const base = await findBase(path.dirname(path.resolve(workspace, first)), event, access).catch(
    (error: Error) => ({ why: `git failed: ${error.message.split('\n')[0]}` }),
  );
  try {
    const checked = await checkPullRequest(inputs, base, workspace, { ...io, env: access.env });
    const report: PullRequestReport = {
      ...checked,
      notes: 'why' in base || base.caveat === undefined ? [] : [base.caveat],
      findings: sortedFindings(checked.findings),
      head: event.kind === 'other' ? io.env.GITHUB_SHA : event.head,
      base: 'why' in base ? undefined : base.commit,
      runUrl: runUrlOf(io),
    };
    return await tell(report, inputs, event, io, redact);
  } finally {
    if (!('why' in base)) await base.close();
  }
}

/** Annotations, log, comment, summary, outputs. Only errors of the checks fail the step. */
async function tell(
  report: PullRequestReport,
  inputs: ActionInputs,
  event: ChangeEvent,
  io: Io,
  redact: Redact,
): Promise<number> {
  const { findings } = report;
  const annotations = annotationsOf(findings);
  for (const line of annotations.lines) io.stdout.write(redact(line));
  const notes = [...report.notes];
  const { error, warning, notice } = annotations.leftOut;
  if (error + warning + notice > 0)
    notes.push(
      `GitHub shows at most 10 errors, 10 warnings and 10 notices of a step as annotations: ${error} errors, ${warning} warnings and ${notice} notices have none. They are in the log and the job summary.`,
    );
  if (findings.length > 0)
    io.stdout.write(plainLog(redact(findings.map(findingText).join('\n')), randomUUID()));
  const written = await comment({ ...report, notes }, inputs, event, io, redact);
  if (written !== undefined && !written.ok) {
    const why =
      event.kind === 'pull-request' && event.isFork
        ? 'the pull request comes from a fork, whose token can only read'
        : `${written.why.replace(/\.$/, '')}; the job needs permissions: pull-requests: write`;
    notes.push(`No comment was written on the pull request: ${why}. This summary says the same.`);
  }
  for (const note of notes) io.stdout.write(plainLog(redact(`note: ${note}`), randomUUID()));
  const summary = io.env.GITHUB_STEP_SUMMARY;
  if (summary !== undefined && summary !== '')
    await appendFile(summary, redact(summaryText({ ...report, notes }, inputs.commentName)));
  const errors = countOf(findings, 'error');
  const outputs = io.env.GITHUB_OUTPUT;
  if (outputs !== undefined && outputs !== '') {
    const url = written?.ok && written.did !== 'nothing' ? (written.url ?? '') : '';
    await appendFile(
      outputs,
      `errors=${errors}\nwarnings=${countOf(findings, 'warning')}\ncomment-url=${url}\n`,
    );
  }
  io.stdout.write(
    errors === 0
      ? 'cuj-gate: all checks passed\n'
      : `cuj-gate: ${errors} ${errors === 1 ? 'error' : 'errors'}\n`,
  );
  return errors === 0 ? exitCodes.good : exitCodes.no;
}

/** Undefined where none is wanted. */
async function comment(
  report: PullRequestReport,
  { comment: wanted, commentName, token }: ActionInputs,
  event: ChangeEvent,
  io: Io,
  redact: Redact,
): Promise<CommentResult | undefined> {
  if (!wanted || event.kind !== 'pull-request') return undefined;
  if (token === undefined) return { ok: false, why: 'there is no token' };
  const repository = required(io, 'GITHUB_REPOSITORY');
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository)) throw new MisuseError(['GITHUB_REPOSITORY is not OWNER/NAME.']);
  const apiUrl = io.env.GITHUB_API_URL || 'https://api.github.com';
  return writeComment(
    { apiUrl, repository, number: event.number, token },
    {
      marker: markerOf(commentName),
      body: redact(commentText(report, commentName)),
      create: isWorthAComment(report),
    },
    io.sleep,
  );
}

async function eventOf(io: Io): Promise<ChangeEvent> {
  const file = required(io, 'GITHUB_EVENT_PATH');
  let payload: unknown;
  try {
    payload = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new EventError(`The event in ${file} cannot be read: ${(error as Error).message}.`);
  }
  return readEvent(required(io, 'GITHUB_EVENT_NAME'), payload);
}

function required({ env }: Io, name: string): string {
  const value = env[name];
  if (value !== undefined && value !== '') return value;
  throw new MisuseError([
    `${name} is not set. GitHub sets it in the step of the action; elsewhere, use cuj-gate validate, generate --check and lint rollout.`,
  ]);
}

/** Only what asks Datadog gets its keys, and only what asks GitHub the token. */
function withoutSecrets(env: Io['env']): Io['env'] {
  const secret = /^(?:INPUT_|DD_API_KEY$|DD_APP_KEY$|ACTIONS_)|TOKEN|CUJ_GATE_REGISTRY$/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !secret.test(name)));
}

function runUrlOf({ env }: Io): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = env;
  if (server === undefined || repository === undefined || run === undefined || !/^\d+$/.test(run))
    return undefined;
  return `${server}/${repository}/actions/runs/${run}`;
}
