type Headers = Readonly<Record<string, string | undefined>>;

const httpDate =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/;
/** Older than the backends that there are: the clock of a device that has forgotten the time. */
const firstDateMs = Date.UTC(2017, 10);
/** Longer values are clock errors. */
export const maxWaitSeconds = 3_600;

/**
 * When the answer was made by the backend's clock, epoch ms in whole seconds. Undefined where it does not say so: without a
 * Date, with one that is no HTTP date or is absurd, and where a cache in between tells how old its copy is (Age).
 */
export function dateOfAnswer(headers: Headers): number | undefined {
  const { date = '', age = '0' } = headers;
  if (!httpDate.test(date) || !/^\s*0+\s*$/.test(age)) return undefined;
  const ms = Date.parse(date);
  return ms >= firstDateMs ? ms : undefined;
}

/**
 * The seconds until the time of Retry-After, whole, from 1 to an hour: a number of seconds, or a date. A date is compared with the clock that
 * wrote it, where that says what its time is: ours, `nowMs` (epoch ms), may be another. Undefined without the header.
 */
export function secondsUntilRetry(headers: Headers, nowMs: number): number | undefined {
  const text = headers['retry-after'] ?? '';
  const seconds = numberIn(text) ?? (Date.parse(text) - (dateOfAnswer(headers) ?? nowMs)) / 1000;
  return Number.isFinite(seconds) ? boundedSeconds(seconds) : undefined;
}

/** The number that a header is; undefined where it is none. */
export function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}

/** As long as nothing is asked: whole seconds, from 1 to an hour. */
export function boundedSeconds(seconds: number): number {
  return Math.min(Math.max(Math.ceil(seconds), 1), maxWaitSeconds);
}
