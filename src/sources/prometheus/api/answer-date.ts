type Headers = Readonly<Record<string, string | undefined>>;

const httpDate =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/;
/** Before Prometheus 2: the clock of a device that has forgotten the time. */
const firstDateMs = Date.UTC(2017, 10);

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
