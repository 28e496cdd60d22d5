import type { Judged } from '../../domain/judge/outcome.ts';

/** What somebody who looks at a verdict can do about its rollout. */
export interface NextSteps {
  /** What Argo Rollouts does by itself, and what is left for a person. */
  readonly explanation: string;
  readonly commands: readonly { readonly what: string; readonly command: string }[];
}

/** What else is known of the rollout. */
export interface Situation {
  readonly service: string;
  /** The same question about now, for curl. */
  readonly question: string;
  readonly isPast: boolean;
  /** The CUJ is in mode observe. */
  readonly onlyReports: boolean;
  /** Another CUJ of the same canary fails, or this one did later. */
  readonly failsElsewhere: boolean;
  /** No request carries the canary's version. */
  readonly isUnknown?: boolean;
}

/** Text that a shell takes as it is. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The commands for an outcome. The gate does not know the name of the Rollout: it is taken to be that of the service, and the
 * explanation says so.
 */
export function nextStepsOf({ verdict, reason }: Judged, situation: Situation): NextSteps {
  const { service, question, isPast, onlyReports, failsElsewhere, isUnknown = false } = situation;
  const rollout = quoted(service);
  const get = {
    what: 'See the state of the rollout',
    command: `kubectl argo rollouts get rollout ${rollout}`,
  };
  const abort = {
    what: 'Abort it: all traffic goes back to stable',
    command: `kubectl argo rollouts abort ${rollout}`,
  };
  const promote = {
    what: 'Let it go on without this check, if you know that it is good',
    command: `kubectl argo rollouts promote ${rollout}`,
  };
  const again = {
    what: 'If it is paused by the check: measure again',
    command: `kubectl patch rollout ${rollout} --type=merge --subresource=status -p 'status: {pauseConditions: null}'`,
  };
  const ask = {
    what: 'Ask the gate about now (this only looks)',
    command: `curl ${quoted(question)}`,
  };
  if (reason === 'retired') {
    return {
      explanation: onlyReports
        ? 'Nothing for the release: this CUJ passes. Generate its Rollout and templates again, so that they no longer ask about it.'
        : 'It says nothing about the release, and never aborts it. While the rollout goes on, do nothing. If it is paused by this check, promote it. Then generate its Rollout and templates again, so that they no longer ask about this CUJ.',
      commands: onlyReports
        ? [get]
        : [get, { ...promote, what: 'If it is paused by this check: let it go on' }],
    };
  }
  if (onlyReports && !failsElsewhere) {
    return { explanation: 'Nothing: this CUJ only reports, and never stops a rollout.', commands: [ask] };
  }
  if (verdict === 'fail') {
    return {
      explanation:
        'Argo Rollouts aborts the rollout by itself, and all traffic goes back to stable. Then it is Degraded, and nothing is urgent: find the cause in the traces, and release again.',
      commands: [
        { ...get, what: 'See whether it is aborted (Degraded)' },
        { ...abort, what: 'If it is not, abort it' },
        {
          what: 'Try the same version again, once its cause is gone',
          command: `kubectl argo rollouts retry rollout ${rollout}`,
        },
      ],
    };
  }
  if (verdict === 'pass') {
    return {
      explanation: failsElsewhere
        ? 'Nothing here. The release fails elsewhere: see above.'
        : 'Nothing. Argo Rollouts goes on with the next step.',
      commands: [get, ask],
    };
  }
  if (failsElsewhere) {
    return {
      explanation:
        'Do not wait for this check: the release fails, see above. If the rollout is Degraded, it is aborted already: all traffic is on stable, and nothing is urgent.',
      commands: [
        { ...get, what: 'See whether it is aborted (Degraded)' },
        { ...abort, what: 'If it is not, abort it' },
      ],
    };
  }
  if (isUnknown) {
    return {
      explanation:
        'Check whether traffic reaches the canary, and whether its version is the one that the question names.',
      commands: [get, ask],
    };
  }
  const decides =
    reason === 'insufficient_traffic' || reason === 'within_noise'
      ? 'More traffic decides. While the rollout goes on, do nothing: the gate is asked again. If it is paused, wait until the gate would pass. Or promote it, if nothing failed and you can live with what is not ruled out. Abort it if failures go on.'
      : reason === 'no_data'
        ? 'Check whether traffic reaches the canary, and whether its version is the one that the question names.'
        : 'Traffic alone does not decide this. If the rollout is paused, a person does.';
  return {
    explanation: isPast ? `${decides} This page is about the past: look at now first.` : decides,
    commands: [get, ask, again, ...(reason === 'no_data' ? [] : [promote]), abort],
  };
}
