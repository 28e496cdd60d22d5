import { SourceError } from '../../../domain/errors.ts';
import type { Redact } from '../../../domain/redact.ts';
import { type Labels, matcherText } from '../query/label-matchers.ts';
import type { PrometheusConnection } from './connection.ts';
import { shorten } from './error-mapping.ts';

/** Where Thanos Query lists the stores whose samples it answers with. No other backend has it. */
export const storesPath = '/api/v1/stores';

/** A store as Thanos Query lists it. Texts are clean: they may stand in messages. */
export interface ListedStore {
  /** `sidecar`, `receive`, `store` (a Store Gateway), `rule`, `query` (another Query). */
  readonly type: string;
  readonly name: string;
  /** Why Thanos Query did not reach it when it looked last; undefined where it did. */
  readonly error: string | undefined;
  /** External labels: each of its series has those of one of them. Empty where it has none, or where they are not known. */
  readonly labelSets: readonly Labels[];
  /** The time that its samples can be of, epoch ms: unlimited where it is not known. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** A longer list is not read: it would be parsed every few seconds. */
const maxListLength = 2 * 1024 * 1024;
const maxNameLength = 100;
const maxErrorLength = 160;

/** Why there is no list: the end of a sentence. */
export interface NoStoreList {
  /** No answer for now, an answer that keeps the list back, or the answer of something else than Thanos Query. */
  readonly kind: 'failed' | 'refused' | 'other';
  readonly why: string;
}

/** Asks for the list. Every failure of the backend is a value. */
export async function listStores(
  connection: Pick<PrometheusConnection, 'get' | 'redact'>,
  timeoutMs: number,
): Promise<readonly ListedStore[] | NoStoreList> {
  try {
    const { status, text } = await connection.get(storesPath, AbortSignal.timeout(timeoutMs));
    return readStoreList(status, text, connection.redact);
  } catch (error) {
    if (error instanceof SourceError) return { kind: 'failed', why: error.message };
    if (error instanceof DOMException && error.name === 'TimeoutError')
      return { kind: 'failed', why: `no answer within ${timeoutMs / 1000} s` };
    throw error;
  }
}

/**
 * Of an entry that is odd, what cannot be read is taken for what hides nothing: an error that is no text is an error, and a store without
 * readable labels or times could hold any sample.
 */
function readStoreList(status: number, text: string, redact: Redact): readonly ListedStore[] | NoStoreList {
  if (status !== 200) {
    const isFailure = status >= 500 || status === 408 || status === 429;
    const kind = isFailure ? 'failed' : status === 401 || status === 403 ? 'refused' : 'other';
    return { kind, why: `the answer was ${status}` };
  }
  if (text.length > maxListLength)
    return { kind: 'refused', why: `the list is longer than ${maxListLength} characters` };
  const other: NoStoreList = { kind: 'other', why: 'the answer is no list of stores' };
  const body = objectOf(parsed(text));
  const data = objectOf(body?.data);
  if (body?.status !== 'success' || data === undefined) return other;
  const stores: ListedStore[] = [];
  for (const [type, entries] of Object.entries(data)) {
    // A component of which there is none may be null.
    if (entries === null) continue;
    if (!Array.isArray(entries)) return other;
    for (const entry of entries) {
      const store = objectOf(entry);
      if (store === undefined) return other;
      stores.push(readStore(shorten(type, maxNameLength), store, redact));
    }
  }
  return stores;
}

function readStore(type: string, store: Readonly<Record<string, unknown>>, redact: Redact): ListedStore {
  const { name, lastError, labelSets, minTime, maxTime } = store;
  const isOk = lastError === null || lastError === undefined;
  return {
    type,
    name: typeof name === 'string' ? shorten(redact(name.slice(0, 1_000)), maxNameLength) : 'without a name',
    error: isOk ? undefined : shortError(lastError, redact),
    labelSets: Array.isArray(labelSets) && labelSets.every(areLabels) ? labelSets : [],
    fromMs: typeof minTime === 'number' ? minTime : Number.NEGATIVE_INFINITY,
    toMs: typeof maxTime === 'number' ? maxTime : Number.POSITIVE_INFINITY,
  };
}

function shortError(error: unknown, redact: Redact): string {
  const said = typeof error === 'string' ? error : JSON.stringify(error);
  const shown = shorten(redact(said.slice(0, 10_000)), maxErrorLength);
  return shown === '' ? 'an error without a text' : shown;
}

/** `10.0.0.5:10901 (sidecar, cluster="eu")`. */
export function showStore({
  type,
  name,
  labelSets,
}: Pick<ListedStore, 'type' | 'name' | 'labelSets'>): string {
  const labels = Object.entries(labelSets[0] ?? {}).map(([label, value]) =>
    matcherText({ label, operator: '=', value }),
  );
  const more = labelSets.length > 1 ? ` and ${labelSets.length - 1} more` : '';
  const shown = labels.length === 0 ? '' : `, ${shorten(labels.join(','), maxNameLength)}${more}`;
  return `${name} (${type}${shown})`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}

function areLabels(value: unknown): value is Labels {
  const labels = objectOf(value);
  return labels !== undefined && Object.values(labels).every((one) => typeof one === 'string');
}

/** Whether samples of a store can be of a span, epoch ms, and those of counters. False only where it is certain. */
export function couldHoldCounters(
  { type, fromMs, toMs }: Pick<ListedStore, 'type' | 'fromMs' | 'toMs'>,
  span: { readonly fromMs: number; readonly toMs: number },
): boolean {
  // Series of a Ruler are results of rules.
  return type !== 'rule' && toMs >= span.fromMs && fromMs <= span.toMs;
}
