import { dayMs, durationMs, durationText } from '../duration.ts';
import { CallerError } from '../errors.ts';
import type { AskedBackends } from '../registry/backend-words.ts';
import {
  type Cuj,
  defaultMinFaultMs,
  type Registry,
  type Service,
  servicesReleasedWith,
} from '../registry/model.ts';
import { allWords } from '../registry/own-words.ts';
import { minWindowMsOf } from '../registry/rules.ts';
import { fillSelector, normalizeParam, type Selector, selectorText } from '../registry/selector.ts';
import type { SourceDialect } from '../registry/source-dialect.ts';

/** A request for one CUJ as the caller sent it: texts, not checked. */
export interface EvaluationRequest {
  readonly cuj: string;
  /** Only the endpoints of this service, where the CUJ has several. */
  readonly service?: string;
  /** `rollout` or a span such as `5m`, instead of the registry's. */
  readonly window?: string;
  /** When the rollout began: RFC 3339 or epoch seconds. */
  readonly since?: string;
  /** What the selectors' placeholders stand for. */
  readonly params: ReadonlyMap<string, string>;
}

/** A request that was checked against the registry, and can be measured. */
export interface ResolvedRequest {
  readonly cuj: Cuj;
  readonly services: readonly Service[];
  readonly service: string | undefined;
  readonly windowMs: number | 'rollout' | undefined;
  readonly sinceMs: number | undefined;
  /** Both selectors of each service, by service name; stable undefined is the rest. */
  readonly selectors: ReadonlyMap<
    string,
    { readonly canary: Selector; readonly stable: Selector | undefined }
  >;
  /** The same as text, for people. */
  readonly selectorTexts: { readonly canary: string; readonly stable: string };
}

/** The text of a stable selector that is not given: all traffic that is not the canary's. */
export const restWords = 'the rest';

function invalid(message: string, hint: string, details: Record<string, unknown> = {}): CallerError {
  return new CallerError('invalid_request', message, hint, details);
}

/** Every placeholder that a request for these services may fill. The canary's must be filled. */
export function paramsOf(services: readonly Service[]): { required: string[]; optional: string[] } {
  const required: string[] = [];
  const optional: string[] = [];
  for (const { canary } of services)
    for (const param of canary.params) if (!required.includes(param)) required.push(param);
  for (const { stable } of services) {
    for (const param of stable?.params ?? [])
      if (!required.includes(param) && !optional.includes(param)) optional.push(param);
  }
  return { required, optional };
}

/**
 * Checks a request against the registry.
 * Throws CallerError `invalid_request`: an empty or missing parameter must never widen a selector to the whole service.
 * It does not check whether `since` is in the future: see {@link refuseFuture}.
 */
export function resolveRequest(registry: Registry, cuj: Cuj, request: EvaluationRequest): ResolvedRequest {
  const names = request.service === undefined ? cuj.services : servicesReleasedWith(cuj, request.service);
  if (request.service !== undefined && names.length === 0) {
    throw invalid(
      `CUJ "${cuj.name}" has no endpoint of service "${request.service}".`,
      `Its services are: ${cuj.services.join(', ')}.`,
      { services: cuj.services },
    );
  }
  const services = names.map((name) => registry.services.get(name) as Service);
  const values = checkParams(services, request.params);
  const selectors = new Map(services.map((service) => [service.name, selectorsOf(service, values)] as const));
  const texts = (pick: (pair: { canary: Selector; stable: Selector | undefined }) => Selector | undefined) =>
    [
      ...new Set(
        [...selectors.values()].map((pair) => {
          const selector = pick(pair);
          return selector === undefined ? restWords : selectorText(selector);
        }),
      ),
    ].join(' | ');
  return {
    cuj,
    services,
    service: request.service,
    windowMs: request.window === undefined ? undefined : checkWindow(request.window, cuj),
    sinceMs: request.since === undefined ? undefined : checkSince(request.since),
    selectors,
    selectorTexts: { canary: texts((pair) => pair.canary), stable: texts((pair) => pair.stable) },
  };
}

function checkParams(services: readonly Service[], params: ReadonlyMap<string, string>): Map<string, string> {
  const { required, optional } = paramsOf(services);
  const known = [...required, ...optional];
  for (const name of params.keys()) {
    if (!known.includes(name)) {
      throw invalid(
        `Unknown parameter "${name}".`,
        known.length === 0
          ? 'The selectors of this CUJ take no parameter.'
          : `Its selectors take: ${known.join(', ')}.`,
        { parameter: name, known },
      );
    }
  }
  const values = new Map<string, string>();
  for (const name of known) {
    const raw = params.get(name);
    if (raw === undefined) {
      if (optional.includes(name)) continue;
      throw invalid(
        `Parameter "${name}" is missing.`,
        `Give it in the query (?${name}=...) or in the header X-Canary-${headerName(name)}.`,
        { parameter: name },
      );
    }
    for (const { dialect } of services) {
      const normalized = normalizeParam(name, raw, dialect);
      if ('error' in normalized) {
        throw invalid(`Parameter "${name}" cannot be used: ${normalized.error}.`, hintOfValue(raw, dialect), {
          parameter: name,
        });
      }
    }
    values.set(name, raw);
  }
  return values;
}

function hintOfValue(raw: string, dialect: SourceDialect): string {
  const { backend } = dialect;
  const must = `It must be the ${allWords(dialect).tag} value that ${backend} stores.`;
  if (raw.trim() === '') {
    return `${must} In an AnalysisTemplate an empty value most often means that the label or field it is taken from does not exist on the Rollout.`;
  }
  if (/[{}$]/.test(raw)) {
    return `${must} The placeholder was not filled: is the argument declared in the args of the AnalysisTemplate?`;
  }
  return /[*?]/.test(raw) ? `${must} Wildcards are not supported: give one version.` : must;
}

/** A parameter as it stands in a header: `stable_version` is sent as `X-Canary-Stable-Version`. */
export function headerName(param: string): string {
  return param
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('-');
}

function selectorsOf(
  service: Service,
  values: ReadonlyMap<string, string>,
): { canary: Selector; stable: Selector | undefined } {
  const canary = fillSelector(service.canary, values, service.dialect);
  const complete = service.stable?.params.every((param) => values.has(param)) ?? false;
  const stable =
    service.stable !== undefined && complete
      ? fillSelector(service.stable, values, service.dialect)
      : undefined;
  const text = selectorText(canary);
  if (stable !== undefined && selectorText(stable) === text) {
    throw invalid(
      `Canary and stable of service "${service.name}" are the same selector: ${text}.`,
      `Give the new version for the canary and the old one for stable. If only configuration changes, let ${service.dialect.versionTag} be the pod template hash.`,
    );
  }
  return { canary, stable };
}

function checkWindow(text: string, cuj: Cuj): number | 'rollout' {
  if (text === 'rollout') return 'rollout';
  const ms = durationMs(text);
  if (ms === undefined || ms % 60_000 !== 0) {
    throw invalid(
      `window "${text}" is not a span in whole minutes.`,
      'Use rollout, or a span such as 5m or 1h.',
      { parameter: 'window' },
    );
  }
  const { rule, minFaultMs = defaultMinFaultMs } = cuj.gate;
  const minMs = minWindowMsOf(rule, minFaultMs);
  if (ms < minMs) {
    throw invalid(
      `window "${text}" is too short: a fail needs a fault that lasts longer than ${durationText(minFaultMs)} (minFaultDuration), so nothing could ever fail.`,
      `Use rollout, or at least ${durationText(minMs)}.`,
      { parameter: 'window' },
    );
  }
  if (ms > cuj.gate.maxWindowMs) {
    throw invalid(
      `window "${text}" is longer than what is measured for CUJ "${cuj.name}".`,
      `At most ${durationText(cuj.gate.maxWindowMs)} (maxWindow in the registry).`,
      { parameter: 'window' },
    );
  }
  return ms;
}

/** RFC 3339 with an offset: JavaScript's own parser accepts far more, and guesses. */
const rfc3339 =
  /^(\d{4}-\d{2})-(\d{2})[Tt ]([01]\d|2[0-3]):\d{2}:\d{2}(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** Epoch ms, or NaN: a 30th of February is no day, where the parser would take it for the 2nd of March. */
function timeOf(text: string): number {
  const parts = rfc3339.exec(text);
  if (parts === null) return Number.NaN;
  const day = new Date(`${parts[1]}-${parts[2]}T00:00:00Z`).getUTCDate();
  return day === Number(parts[2]) ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
}

/**
 * `since` may lie so far ahead of our clock: the clocks of the caller and of the gate differ, and the answer is
 * `too_early`. More than that is another time zone.
 */
const maxAheadMs = 30 * 60_000;
/** A number that means an earlier time is a date or a year that was taken for seconds. */
const firstSinceMs = Date.UTC(2017, 0);

function checkSince(text: string): number {
  let ms = Number.NaN;
  if (/^\d{1,11}(\.\d+)?$/.test(text)) ms = Number(text) * 1000;
  // In a query string `+` is a space, so an offset such as +09:00 arrives with one.
  else {
    ms = timeOf(text.replace(/ (\d{2}:\d{2})$/, '+$1'));
  }
  if (Number.isNaN(ms) && Number.isFinite(timeOf(`${text}Z`))) {
    throw invalid(
      `since "${text}" has no UTC offset, so it is not one time.`,
      'Add Z for UTC, or an offset such as +09:00.',
      { parameter: 'since' },
    );
  }
  if (!Number.isFinite(ms)) {
    throw invalid(
      `since "${text}" is not a time.`,
      'Use RFC 3339 (2026-01-31T09:00:00Z) or epoch seconds; milliseconds are not accepted.',
      { parameter: 'since' },
    );
  }
  if (ms < firstSinceMs) {
    throw invalid(
      `since "${text}" would be ${new Date(ms).toISOString().slice(0, 10)}, before there were rollouts.`,
      'Use RFC 3339 (2026-01-31T09:00:00Z) or epoch seconds; a date alone, such as 20260131, is none of these.',
      { parameter: 'since' },
    );
  }
  return ms;
}

/**
 * Throws CallerError `invalid_request` where the rollout would begin far in the future. Precondition: `nowMs` is not known
 * to be wrong. For a slow clock every rollout begins in the future, which is not the caller's mistake.
 */
export function refuseFuture({ sinceMs }: ResolvedRequest, nowMs: number): void {
  if (sinceMs === undefined || sinceMs <= nowMs + maxAheadMs) return;
  throw invalid(
    `since ${new Date(sinceMs).toISOString()} is in the future: the clock of this gate says ${new Date(nowMs).toISOString()}.`,
    'Give the time at which this rollout began, with the UTC offset that it was read in.',
    { parameter: 'since' },
  );
}

/** Throws CallerError `invalid_request` where the rollout would begin after the moment that is asked about. */
export function refuseLater({ sinceMs }: ResolvedRequest, atMs: number): void {
  if (sinceMs === undefined || sinceMs <= atMs) return;
  throw invalid(
    `since ${new Date(sinceMs).toISOString()} is later than at ${new Date(atMs).toISOString()}: the rollout had not begun.`,
    'Give an at after the rollout began, or leave since out.',
    { parameter: 'at' },
  );
}

/**
 * The moment in the past that is asked about, epoch ms. `retentionMs`: how long the backend keeps its data. Throws CallerError
 * `invalid_request`.
 */
export function readMoment(text: string, nowMs: number, { backend, retentionMs }: AskedBackends): number {
  // In a query string `+` is a space.
  const ms = timeOf(text.replace(/ (\d{2}:\d{2})$/, '+$1'));
  if (Number.isNaN(ms) && Number.isFinite(timeOf(`${text}Z`))) {
    throw invalid(
      `at "${text}" has no UTC offset, so it is not one time.`,
      'Add Z for UTC, or an offset such as +09:00.',
      { parameter: 'at' },
    );
  }
  if (!Number.isFinite(ms)) {
    throw invalid(`at "${text}" is not a time.`, 'Use RFC 3339, such as 2026-01-31T09:00:00Z.', {
      parameter: 'at',
    });
  }
  if (ms > nowMs) {
    throw invalid(
      `at ${new Date(ms).toISOString()} is in the future: the clock of this gate says ${new Date(nowMs).toISOString()}.`,
      'Give a moment in the past, with the UTC offset that it was read in. Without at, the question is about now.',
      { parameter: 'at' },
    );
  }
  if (ms < nowMs - retentionMs) {
    throw invalid(
      `at ${new Date(ms).toISOString()} is longer ago than ${backend} keeps its metrics, which is ${Math.floor(retentionMs / dayMs)} days.`,
      `Give a moment after ${new Date(nowMs - retentionMs).toISOString()}.`,
      { parameter: 'at' },
    );
  }
  return ms;
}
