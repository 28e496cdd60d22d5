/** What the event of a workflow run says about the change to be checked. */
export type ChangeEvent =
  | {
      readonly kind: 'pull-request';
      readonly number: number;
      /** The commit of the base branch as the event has it. */
      readonly base: string;
      readonly head: string;
      /** From another repository, or from one that is gone: its token cannot write, and it gets no secrets. */
      readonly isFork: boolean;
    }
  | { readonly kind: 'merge-group'; readonly base: string; readonly head: string }
  | { readonly kind: 'push'; readonly base: string | undefined; readonly head: string }
  /** Of a schedule, by hand: there is nothing to compare with. */
  | { readonly kind: 'other' };

/** The event cannot be used. The message is for the person who wrote the workflow. */
export class EventError extends Error {
  override readonly name = 'EventError';
}

/** Reads an event by its name and its payload, which is parsed JSON. Throws EventError. */
export function readEvent(name: string, payload: unknown): ChangeEvent {
  switch (name) {
    case 'pull_request': {
      const pull = member(payload, 'pull_request', name);
      const base = member(pull, 'base', name);
      const head = member(pull, 'head', name);
      const number = (payload as { number?: unknown }).number;
      if (!Number.isSafeInteger(number) || (number as number) < 1) throw broken(name, 'number');
      const idOf = (side: object) => (side as { repo?: { id?: unknown } | null }).repo?.id;
      const own = idOf(base);
      if (own === undefined) throw broken(name, 'pull_request.base.repo.id');
      return {
        kind: 'pull-request',
        number: number as number,
        base: commitOf(base, 'sha', name),
        head: commitOf(head, 'sha', name),
        isFork: idOf(head) !== own,
      };
    }
    case 'pull_request_target':
      throw new EventError(
        'The action does not run on pull_request_target: there, files of a stranger would be read beside secrets and a token that can write. Use on: pull_request.',
      );
    case 'merge_group': {
      const group = member(payload, 'merge_group', name);
      return {
        kind: 'merge-group',
        base: commitOf(group, 'base_sha', name),
        head: commitOf(group, 'head_sha', name),
      };
    }
    case 'push': {
      if (typeof payload !== 'object' || payload === null) throw broken(name, 'before');
      const before = commitOf(payload, 'before', name);
      // Nothing but zeros: the branch is new.
      return {
        kind: 'push',
        base: /^0+$/.test(before) ? undefined : before,
        head: commitOf(payload, 'after', name),
      };
    }
    default:
      return { kind: 'other' };
  }
}

function member(of: unknown, key: string, name: string): object {
  const value = typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[key] : undefined;
  if (typeof value !== 'object' || value === null) throw broken(name, key);
  return value;
}

/** It goes to git, which would take a text that begins with a dash for an option. */
function commitOf(of: object, key: string, name: string): string {
  const value = (of as Record<string, unknown>)[key];
  if (typeof value !== 'string' || !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(value)) throw broken(name, key);
  return value;
}

function broken(name: string, key: string): EventError {
  return new EventError(
    `The payload of the event ${name} has no valid "${key}". Is GITHUB_EVENT_PATH the file of this event?`,
  );
}
