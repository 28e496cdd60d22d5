import { durationText } from '../duration.ts';

/**
 * What fails on the client, by what its SDK reports of a view or an action when it is over. The text is the key of a definition, and
 * what people read. Backends make metrics by the same definition.
 */

export const clientEvents = ['view', 'action'] as const;
export type ClientEvent = (typeof clientEvents)[number];

/** Errors of the page's scripts and requests; signs of frustration, such as clicks that do nothing. */
export const clientSignals = ['error', 'frustration'] as const;
export type ClientSignal = (typeof clientSignals)[number];

/** One kind of client events, and which of them fail: those with any of the signals, or that load more slowly. */
export interface ClientFailure {
  readonly kind: 'client';
  readonly event: ClientEvent;
  /** In the order of {@link clientSignals}. */
  readonly signals: readonly ClientSignal[];
  /** Slower events fail, in ms. Absent: however slow. */
  readonly slowMs?: number;
}

/** The definition, with its text: `views: error, slow 4s`. */
export function clientFailureOf(
  event: ClientEvent,
  signals: readonly ClientSignal[],
  slowMs: number | undefined,
): { readonly text: string; readonly by: ClientFailure } {
  const inOrder = clientSignals.filter((signal) => signals.includes(signal));
  const words = [...inOrder, ...(slowMs === undefined ? [] : [`slow ${durationText(slowMs)}`])];
  return {
    text: `${event}s: ${words.join(', ')}`,
    by: { kind: 'client', event, signals: inOrder, ...(slowMs === undefined ? {} : { slowMs }) },
  };
}

/** Texts of definitions in which views and actions that fail in the same way are said once. Other texts stay as they are. */
export function withoutRepeatedEvents(texts: readonly string[]): readonly string[] {
  const [views, actions] = clientEvents.map((event) => `${event}s: `) as [string, string];
  const isSaid = (text: string) =>
    text.startsWith(actions) && texts.includes(views + text.slice(actions.length));
  return texts.flatMap((text) => {
    if (isSaid(text)) return [];
    const alike = text.startsWith(views) && texts.includes(actions + text.slice(views.length));
    return alike ? `views and actions: ${text.slice(views.length)}` : text;
  });
}
