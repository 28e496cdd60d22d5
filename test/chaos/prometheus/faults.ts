import { type Draw, pick } from '../draw.ts';
import type { FaultMakers } from '../fault-gun.ts';

/** What can be wrong with one answer of Prometheus, or of what stands in front of it. None of them may go unnoticed and change a count. */
export type AnswerFault =
  | { readonly kind: 'rate_limited'; readonly retryAfterSeconds: number }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'query_timed_out' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'slow_head'; readonly delayMs: number }
  | { readonly kind: 'slow_body'; readonly delayMs: number }
  | { readonly kind: 'reset' }
  | { readonly kind: 'reset_mid_body' }
  | { readonly kind: 'html' }
  | { readonly kind: 'cut_off' }
  | { readonly kind: 'empty_body' }
  | { readonly kind: 'oversized' }
  | { readonly kind: 'wrong_content_type' }
  | { readonly kind: 'date_shifted'; readonly offsetMs: number }
  | { readonly kind: 'date_replaced'; readonly date: string | undefined }
  | ContentFault;

/** Faults that leave the answer JSON. */
export type ContentFault =
  | { readonly kind: 'error_as_success' }
  | { readonly kind: 'other_result_type' }
  | { readonly kind: 'not_a_number' }
  | { readonly kind: 'negative_counts' }
  | { readonly kind: 'fractional_counts' }
  | { readonly kind: 'infinite_counts' }
  | { readonly kind: 'reordered_samples' }
  | { readonly kind: 'sample_of_the_future' }
  | { readonly kind: 'duplicated_series' }
  | { readonly kind: 'foreign_series' }
  | { readonly kind: 'half_of_the_series'; readonly word: 'warnings' | 'isPartial' }
  | { readonly kind: 'remarks' }
  | { readonly kind: 'reordered_series' };

/** Every fault: a missing kind is a compile error. */
export const makers: FaultMakers<AnswerFault> = {
  rate_limited: (draw) => ({ kind: 'rate_limited', retryAfterSeconds: 1 + Math.floor(draw() * 2) }),
  status: (draw) => ({
    kind: 'status',
    status: pick(draw, [400, 401, 403, 404, 408, 413, 422, 500, 502, 503, 504]),
  }),
  query_timed_out: () => ({ kind: 'query_timed_out' }),
  hang: () => ({ kind: 'hang' }),
  slow_head: (draw) => ({ kind: 'slow_head', delayMs: pick(draw, [300, 1500, 4000, 9000]) }),
  slow_body: (draw) => ({ kind: 'slow_body', delayMs: pick(draw, [300, 1500, 9000]) }),
  reset: () => ({ kind: 'reset' }),
  reset_mid_body: () => ({ kind: 'reset_mid_body' }),
  html: () => ({ kind: 'html' }),
  cut_off: () => ({ kind: 'cut_off' }),
  empty_body: () => ({ kind: 'empty_body' }),
  oversized: () => ({ kind: 'oversized' }),
  wrong_content_type: () => ({ kind: 'wrong_content_type' }),
  date_shifted: (draw) => ({
    kind: 'date_shifted',
    offsetMs: pick(draw, [-360_000, -120_000, 120_000, 360_000]),
  }),
  date_replaced: (draw) => ({
    kind: 'date_replaced',
    date: pick(draw, [undefined, 'yesterday', 'Thu, 01 Jan 1970 00:00:00 GMT']),
  }),
  error_as_success: () => ({ kind: 'error_as_success' }),
  other_result_type: () => ({ kind: 'other_result_type' }),
  not_a_number: () => ({ kind: 'not_a_number' }),
  negative_counts: () => ({ kind: 'negative_counts' }),
  fractional_counts: () => ({ kind: 'fractional_counts' }),
  infinite_counts: () => ({ kind: 'infinite_counts' }),
  reordered_samples: () => ({ kind: 'reordered_samples' }),
  sample_of_the_future: () => ({ kind: 'sample_of_the_future' }),
  duplicated_series: () => ({ kind: 'duplicated_series' }),
  foreign_series: () => ({ kind: 'foreign_series' }),
  half_of_the_series: (draw) => ({ kind: 'half_of_the_series', word: pick(draw, ['warnings', 'isPartial']) }),
  remarks: () => ({ kind: 'remarks' }),
  reordered_series: () => ({ kind: 'reordered_series' }),
};

/** More frequent than others, since there are many series to lose. */
export const often: readonly AnswerFault['kind'][] = Array(4).fill('half_of_the_series');

interface Series {
  readonly metric: Record<string, string>;
  values?: [seconds: number, text: string][];
  value?: [seconds: number, text: string];
}

/** The body of an answer as Prometheus writes it. */
export interface Answer {
  status: string;
  data: { resultType: string; result: Series[] };
  warnings?: string[];
  isPartial?: boolean;
  errorType?: string;
  error?: string;
}

type Spoil<Kind> = (answer: Answer, fault: Extract<ContentFault, { kind: Kind }>, draw: Draw) => void;

/** What a fault of an answer's content does to it. */
const spoilers: { readonly [Kind in ContentFault['kind']]: Spoil<Kind> } = {
  error_as_success: (answer) => {
    answer.status = 'error';
    answer.errorType = 'execution';
    answer.error = 'expanding series: context canceled';
  },
  other_result_type: ({ data }) => {
    data.resultType = data.resultType === 'matrix' ? 'vector' : 'matrix';
  },
  not_a_number: ({ data }, _, draw) => setNumber(data.result, draw, 'many'),
  negative_counts: ({ data }, _, draw) => setNumber(data.result, draw, '-3'),
  fractional_counts: ({ data }, _, draw) => setNumber(data.result, draw, '17.5'),
  infinite_counts: ({ data }, _, draw) => setNumber(data.result, draw, '+Inf'),
  reordered_samples: ({ data }, _, draw) => void someOf(data.result, draw)?.values?.reverse(),
  sample_of_the_future: ({ data }, _, draw) => {
    const values = someOf(data.result, draw)?.values;
    const last = values?.at(-1);
    if (values !== undefined && last !== undefined) values.push([last[0] + 3_600, last[1]]);
  },
  duplicated_series: ({ data }, _, draw) => {
    const one = someOf(data.result, draw);
    if (one !== undefined) data.result.push(one);
  },
  foreign_series: ({ data }, _, draw) => {
    const one = someOf(data.result, draw);
    if (one !== undefined) data.result.push({ ...one, metric: { ...one.metric, job: 'nobody' } });
  },
  // As where a store does not answer, and the backend says so.
  half_of_the_series: (answer, { word }, draw) => {
    answer.data.result = answer.data.result.filter(() => draw() < 0.5);
    if (word === 'warnings') warn(answer, 'No StoreAPIs matched for this query');
    else answer.isPartial = true;
  },
  // Not a fault: words about the query.
  remarks: (answer) => {
    warn(answer, 'PromQL info: metric might not be a counter, name does not end in _total');
  },
  reordered_series: ({ data }) => void data.result.reverse(),
};

/** Beside what other faults say: an answer may have several. */
function warn(answer: Answer, text: string): void {
  answer.warnings = [...(answer.warnings ?? []), text];
}

export function isContentFault(fault: AnswerFault): fault is ContentFault {
  return Object.hasOwn(spoilers, fault.kind);
}

export function spoil(answer: Answer, fault: ContentFault, draw: Draw): void {
  (spoilers[fault.kind] as Spoil<typeof fault.kind>)(answer, fault as never, draw);
}

function someOf(result: readonly Series[], draw: Draw): Series | undefined {
  const long = result.filter(({ values = [] }) => values.length > 1);
  return long.length === 0 ? undefined : pick(draw, long);
}

/** The number of one sample of one series. */
function setNumber(result: readonly Series[], draw: Draw, text: string): void {
  const values = someOf(result, draw)?.values;
  if (values !== undefined) pick(draw, values)[1] = text;
}
