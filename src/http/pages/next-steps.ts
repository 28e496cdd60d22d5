import type { Judged } from '../../domain/judge/outcome.ts';

/** What somebody who looks at a verdict can do about its rollout. */
export interface NextSteps {
  /** What Argo Rollouts does by itself, and what is left for a person. */
  readonly explanation: string;
  readonly commands: readonly { readonly what: string; readonly command: string }[];
}

/** Text that a shell takes as it is. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The commands for an outcome. The gate does not know the name of the Rollout: it is taken to be that of the service, and the
 * explanation says so.
 */
export function nextStepsOf({ verdict, reason }: Judged, service: string, question: string): NextSteps {
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
    what: 'Let it go on, if you know that it is good',
    command: `kubectl argo rollouts promote ${rollout}`,
  };
  const ask = { what: 'Ask the gate again', command: `curl ${quoted(question)}` };
  if (verdict === 'fail') {
    return {
      explanation:
        'Argo Rollouts aborts the rollout by itself, and all traffic goes back to stable. Fix the cause, then release again.',
      commands: [
        get,
        { ...abort, what: 'Abort it, if that has not happened' },
        {
          what: 'Try the same version again, once its cause is gone',
          command: `kubectl argo rollouts retry rollout ${rollout}`,
        },
      ],
    };
  }
  if (verdict === 'pass') {
    return {
      explanation: 'Nothing. Argo Rollouts goes on with the next step.',
      commands: [get, ask],
    };
  }
  const waits =
    reason === 'insufficient_traffic' || reason === 'within_noise' || reason === 'no_data'
      ? 'Usually nothing: the gate is asked again, and more traffic decides.'
      : 'Traffic alone does not decide this.';
  return {
    explanation: `${waits} The rollout pauses where its last question stays inconclusive; then a person decides.`,
    commands: [get, ask, promote, abort],
  };
}
