import { scaleLinear, scaleUtc } from 'd3-scale';
import { line } from 'd3-shape';
import { bucketMs } from '../../../domain/metrics/buckets.ts';
import { clockText, grouped, ratioText } from '../page-text.ts';
import { chart, Figure, round, TimeAxis, YAxis } from './chart-frame.tsx';

/** Counts of both sides in one minute. */
export interface TimelineMinute {
  /** Epoch ms: its begin. */
  readonly atMs: number;
  readonly canary: { readonly total: number; readonly bad: number };
  readonly stable: { readonly total: number; readonly bad: number };
}

export interface TimelineChartProps {
  readonly id: string;
  readonly minutes: readonly TimelineMinute[];
  /** Epoch ms: where the judged window begins and ends. */
  readonly fromMs: number;
  readonly toMs: number;
  /** What a bad request did: `failed`. */
  readonly badVerb: string;
}

const [failedTop, failedBottom, trafficTop, trafficBottom] = [chart.top, 116, 146, 236];
const height = 262;

function rateOf({ total, bad }: { readonly total: number; readonly bad: number }): number {
  return total > 0 ? Math.min(1, bad / total) : 0;
}

/** Spans of minutes in which the canary had no request, between minutes in which it had some. */
function silentSpans(minutes: readonly TimelineMinute[]): { fromMs: number; toMs: number }[] {
  const spans: { fromMs: number; toMs: number }[] = [];
  let lastMs: number | undefined;
  for (const { atMs, canary } of minutes) {
    if (canary.total <= 0) continue;
    if (lastMs !== undefined && atMs > lastMs) spans.push({ fromMs: lastMs, toMs: atMs });
    lastMs = atMs + bucketMs;
  }
  return spans;
}

/** Failure rates and requests by minute, canary beside stable. */
export function TimelineChart({ id, minutes, fromMs, toMs, badVerb }: TimelineChartProps) {
  const firstMs = minutes[0]?.atMs ?? fromMs;
  const endMs = (minutes.at(-1)?.atMs ?? toMs) + bucketMs;
  const x = scaleUtc()
    .domain([firstMs, endMs])
    .range([chart.left, chart.width - chart.right]);
  const maxRate = Math.max(
    0.001,
    ...minutes.flatMap(({ canary, stable }) => [rateOf(canary), rateOf(stable)]),
  );
  const rate = scaleLinear().domain([0, maxRate]).nice(3).range([failedBottom, failedTop]);
  const maxTotal = Math.max(1, ...minutes.flatMap(({ canary, stable }) => [canary.total, stable.total]));
  const traffic = scaleLinear().domain([0, maxTotal]).nice(3).range([trafficBottom, trafficTop]);
  const slot = (chart.width - chart.left - chart.right) / Math.max(1, minutes.length);
  const bar = Math.max(0.6, Math.min(9, slot * 0.4));
  const path = (side: 'canary' | 'stable') =>
    line<TimelineMinute>()
      .x(({ atMs }) => round(x(atMs + bucketMs / 2)))
      .y((minute) => round(traffic(minute[side].total)))(minutes as TimelineMinute[]) ?? undefined;
  const inWindow = minutes.filter(({ atMs }) => atMs >= fromMs);
  const onset = inWindow.find(({ canary }) => canary.bad > 0);
  const gaps = silentSpans(inWindow);
  const beforeWindow = x(Math.max(firstMs, fromMs));
  return (
    <Figure
      id={id}
      title="By minute"
      caption={
        <>
          Above: requests that {badVerb}, in percent. Below: requests. <span class="key canary">canary</span>{' '}
          <span class="key stable">stable</span>
          {fromMs > firstMs && <> The grey part is before the window that is judged.</>}
          {gaps.length > 0 && <> In the coloured minutes the canary had no request.</>}
        </>
      }
      description={`Failure rates and requests of canary and stable from ${clockText(firstMs)} to ${clockText(endMs)}; the table below has the numbers.`}
      height={height}
    >
      {fromMs > firstMs && (
        <rect
          class="outside"
          x={chart.left}
          y={chart.top}
          width={round(beforeWindow - chart.left)}
          height={trafficBottom - chart.top}
        />
      )}
      {gaps.map((gap) => (
        <rect
          key={gap.fromMs}
          class="gap"
          x={round(x(gap.fromMs))}
          y={trafficTop}
          width={round(x(gap.toMs) - x(gap.fromMs))}
          height={trafficBottom - trafficTop}
        >
          <title>
            {`no canary request from ${clockText(gap.fromMs).slice(0, 5)} to ${clockText(gap.toMs).slice(0, 5)}`}
          </title>
        </rect>
      ))}
      <YAxis ticks={rate.ticks(3).map((value) => ({ at: rate(value), label: ratioText(value) }))} />
      <YAxis ticks={traffic.ticks(3).map((value) => ({ at: traffic(value), label: grouped(value) }))} />
      <TimeAxis scale={x} y={trafficBottom} />
      {onset !== undefined && (
        <g class="onset">
          <line x1={round(x(onset.atMs))} x2={round(x(onset.atMs))} y1={chart.top} y2={trafficBottom} />
          <text x={round(x(onset.atMs)) - 4} y={failedBottom + 14} text-anchor="end">
            first failure {clockText(onset.atMs).slice(0, 5)}
          </text>
        </g>
      )}
      {minutes.map((minute) => {
        const middle = x(minute.atMs + bucketMs / 2);
        return (['stable', 'canary'] as const).map((side) => {
          const own = rateOf(minute[side]);
          if (own <= 0) return null;
          const left = side === 'canary' ? middle : middle - bar;
          return (
            <rect
              key={`${side} ${minute.atMs}`}
              class={`bar ${side}`}
              x={round(left)}
              y={round(rate(own))}
              width={round(bar)}
              height={round(failedBottom - rate(own))}
              data-bad={minute[side].bad}
              data-total={minute[side].total}
            >
              <title>
                {`${clockText(minute.atMs).slice(0, 5)} ${side}: ${grouped(minute[side].bad)} of ${grouped(minute[side].total)}`}
              </title>
            </rect>
          );
        });
      })}
      <path class="line stable" d={path('stable')} />
      <path class="line canary" d={path('canary')} />
    </Figure>
  );
}
