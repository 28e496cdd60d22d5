import type { Answered } from './callers.ts';
import type { Edits } from './edits.ts';
import type { GateProcess } from './gates.ts';
import { blind, type Knowledge, Oracle } from './oracle.ts';
import { journeys } from './world.ts';

/** Checks every answer, and records violations. */

export const latestMs = 9_000;
/** A good change is live within a second; on a busy machine it may take longer, but far less than a minute. */
const reloadMs = 6_000;

export type Claim =
  | 'every verdict can be true'
  | 'a gate with a wrong clock judges nothing'
  | 'nothing passes on old data'
  | 'once all faults are over, every verdict is measured'
  | 'every answer is a JSON object'
  | 'no answer has a status that it should not have'
  | 'no answer comes later than 9 s'
  | 'no question is lost while a gate is there for it'
  | 'a good change of the registry is live in time'
  | 'every answer on a raw socket is a JSON object'
  | 'no call before the reset of a 429'
  | 'no gate ends unexpectedly'
  | 'no unexpected message is logged'
  | 'SIGTERM ends with 0, in time'
  | 'a bad registry refuses to start with 2'
  | 'memory after a collection is flat'
  | 'resident memory is bounded'
  | 'open files are bounded'
  | 'no request is left pending'
  | 'every fault applied to a call'
  | 'what was kept gives the same verdict again';

/** Why a gate may leave connections without an answer. */
export interface Excuse {
  /** Epoch ms. */
  readonly sinceMs: number;
  /** A killed gate answers nothing; a draining gate answers requests that arrive before the drain ends. */
  readonly why: 'killed' | 'drained';
}

/** What happened between two times, epoch ms. */
export interface Phases {
  /** Whether no fault can have affected a request that was sent and answered in this time. */
  readonly isCalm: (startedMs: number, endedMs: number) => boolean;
  /** Whether all data was old, even with the cache considered. */
  readonly isLate: (startedMs: number, endedMs: number) => boolean;
  /** Whether the backend's answers had a correct `Date`. */
  readonly isDated: (startedMs: number, endedMs: number) => boolean;
}

/** On a busy machine, how long a request may be unread before the gate closes its connection. */
const unreadMs = 300;

export class Inspector {
  readonly #oracle: Oracle;
  readonly #edits: ReadonlyMap<GateProcess, Edits>;
  readonly #wrong = new Map<Claim, string[]>();
  readonly #seen = new Map<Claim, number>();
  readonly #talk = new Map<string, number>();
  slowestMs = 0;
  answers = 0;
  refusedConnections = 0;
  readonly excuses = new Map<GateProcess, Excuse>();
  readonly #phases: Phases;

  constructor(known: Knowledge, edits: ReadonlyMap<GateProcess, Edits>, phases: Phases) {
    this.#oracle = new Oracle(known);
    this.#edits = edits;
    this.#phases = phases;
  }

  /** Records a check of a claim; `wrong` lists its violations. */
  note(claim: Claim, ...wrong: readonly string[]): void {
    this.#seen.set(claim, (this.#seen.get(claim) ?? 0) + 1);
    if (wrong.length > 0) this.#wrong.set(claim, [...(this.#wrong.get(claim) ?? []), ...wrong]);
  }

  inspect(answered: Answered): void {
    const { question, startedMs, endedMs, status, text, gate } = answered;
    const where = `${answered.life} ${question.path} at ${new Date(startedMs).toISOString()}`;
    const tookMs = endedMs - startedMs;
    this.slowestMs = Math.max(this.slowestMs, tookMs);
    this.note('no answer comes later than 9 s', ...(tookMs > latestMs ? [`${where}: ${tookMs} ms`] : []));
    if (status === undefined) {
      this.#lost(answered, where);
      return;
    }
    this.answers += 1;
    this.note('no question is lost while a gate is there for it');
    const body = objectOf(text ?? '');
    this.note(
      'every answer is a JSON object',
      ...(body ? [] : [`${where}: ${status} ${text?.slice(0, 200)}`]),
    );
    if (body === undefined) return;
    const right = this.#mayHaveStatus(answered, body);
    this.note(
      'no answer has a status that it should not have',
      ...(right ? [] : [`${where}: ${status} ${text?.slice(0, 300)}`]),
    );
    const label =
      status === 200
        ? `${body.verdict ?? '(no verdict)'} ${body.reason ?? ''}`.trim()
        : `${status} ${body.code}`;
    this.#talk.set(label, (this.#talk.get(label) ?? 0) + 1);
    if (status !== 200 || question.asked === undefined) return;
    if (answered.skewMs !== 0) {
      // With a wrong Date a wrong clock may look right, and without a Date it is not detected.
      if (!this.#phases.isDated(startedMs, endedMs)) return;
      const outcomes = [body, ...(body.cujs ?? [])].filter(({ mode }) => mode !== 'observe');
      const judged = outcomes.some(({ reason }) => !blind.test(reason));
      this.note('a gate with a wrong clock judges nothing', ...(judged ? [`${where}: ${label}`] : []));
      return;
    }
    const wrong = this.#oracle.judge({ ...question.asked, startedMs, endedMs }, body);
    this.note('every verdict can be true', ...wrong.map((one) => `${where}: ${one}`));
    const outcomes = [body.wouldBe ?? body, ...(body.cujs ?? [])].filter(
      ({ reason }) => reason !== 'observe_only',
    );
    if (this.#phases.isCalm(startedMs, endedMs))
      this.note(
        'once all faults are over, every verdict is measured',
        ...(outcomes.some(({ reason }) => blind.test(reason)) ? [`${where}: ${label}: ${body.summary}`] : []),
      );
    if (this.#phases.isLate(startedMs, endedMs))
      this.note(
        'nothing passes on old data',
        ...(outcomes.some(({ verdict }) => verdict === 'pass') ? [`${where}: ${label}`] : []),
      );
    this.#checkReload(gate, startedMs, body, where);
  }

  // biome-ignore lint/suspicious/noExplicitAny: an answer
  #mayHaveStatus({ question, gate, status, startedMs, endedMs }: Answered, body: any): boolean {
    const excuse = this.excuses.get(gate);
    if (status === 503)
      return body.code === 'draining' && excuse?.why === 'drained' && endedMs >= excuse.sinceMs;
    const { asked, statuses } = question;
    if (asked === undefined) return (statuses.length > 0 ? statuses : [200]).includes(status as number);
    // The newest registry may be active already, or not yet.
    const { newest } = this.#edits.get(gate) as Edits;
    const settled = startedMs >= newest.atMs + reloadMs;
    const comesAndGoes = asked.kind === 'cuj' && journeys[asked.name]?.observed === true;
    if (status === 404) return comesAndGoes && !(settled && newest.variant.cujs.includes(asked.name));
    return status === 200;
  }

  #lost({ gate, startedMs, endedMs, error }: Answered, where: string): void {
    this.refusedConnections += 1;
    const excuse = this.excuses.get(gate);
    if (excuse?.why === 'killed' && endedMs >= excuse.sinceMs) return;
    if (excuse?.why === 'drained' && startedMs >= excuse.sinceMs - unreadMs) return;
    this.note(
      'no question is lost while a gate is there for it',
      `${where}: ${error} (${endedMs - startedMs} ms)`,
    );
  }

  // biome-ignore lint/suspicious/noExplicitAny: an answer
  #checkReload(gate: GateProcess, startedMs: number, body: any, where: string): void {
    const { newest } = this.#edits.get(gate) as Edits;
    if (startedMs < newest.atMs + reloadMs) return;
    const owner = body.owner ?? body.cujs?.[0]?.owner;
    if (owner === undefined) return;
    const late = `${where}: signed ${owner}, ${startedMs - newest.atMs} ms after ${newest.variant.owner}`;
    this.note(
      'a good change of the registry is live in time',
      ...(owner === newest.variant.owner ? [] : [late]),
    );
  }

  answersByReason(): [string, number][] {
    return [...this.#talk].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  }

  /** The report as lines of text, and the number of claims that were violated. */
  report(): { lines: string[]; passed: number; failed: number } {
    const lines: string[] = [];
    let failed = 0;
    for (const [claim, times] of this.#seen) {
      const wrong = this.#wrong.get(claim) ?? [];
      if (wrong.length > 0) failed += 1;
      lines.push(`${wrong.length === 0 ? 'ok  ' : 'FAIL'} ${claim} (${times})`);
      for (const one of wrong.slice(0, 8)) lines.push(`       ${one}`);
      if (wrong.length > 8) lines.push(`       and ${wrong.length - 8} more`);
    }
    return { lines, passed: this.#seen.size - failed, failed };
  }
}

// biome-ignore lint/suspicious/noExplicitAny: an answer
function objectOf(text: string): any {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
