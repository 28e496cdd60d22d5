import { scaleLog, scaleUtc } from 'd3-scale';
import { line } from 'd3-shape';
import { durationText } from '../../../domain/duration.ts';
import { grouped } from '../page-text.ts';
import { Border, chart, Figure, round, TimeAxis, YAxis } from './chart-frame.tsx';

/** One moment of the trend: how many rollouts of a release without a fault it takes until one looks like this. */
export interface EvidencePoint {
  /** Epoch ms. */
  readonly atMs: number;
  readonly evidence: number;
}

export interface EvidenceChartProps {
  readonly id: string;
  /** Recomputed from today's data, in order of time. */
  readonly points: readonly EvidencePoint[];
  /** As it was given to a caller. */
  readonly given: readonly EvidencePoint[];
  readonly threshold: number;
  /** What the evidence is against: `a service meeting its SLO`. */
  readonly expected: string;
  /** Shorter faults do not fail the canary, in ms. */
  readonly minFaultMs: number;
}

const height = 190;
/** More would only make the part below the threshold flat. */
const maxShown = 1e6;

/** "1 in N" over time on a logarithmic axis, against the abort threshold. */
export function EvidenceChart({ id, points, given, threshold, expected, minFaultMs }: EvidenceChartProps) {
  const all = [...points, ...given];
  const times = all.map(({ atMs }) => atMs);
  const x = scaleUtc()
    .domain([Math.min(...times), Math.max(...times)])
    .range([chart.left, chart.width - chart.right]);
  const top = Math.min(maxShown, Math.max(10 * threshold, ...all.map(({ evidence }) => evidence)));
  const y = scaleLog()
    .domain([1, top])
    .range([height - chart.bottom, chart.top])
    .clamp(true);
  const path = line<EvidencePoint>()
    .x(({ atMs }) => round(x(atMs)))
    .y(({ evidence }) => round(y(shown(evidence))))(points as EvidencePoint[]);
  const last = points.at(-1);
  const ticks = powersOfTen(top).map((value) => ({ at: y(value), label: `1 in ${grouped(value)}` }));
  return (
    <Figure
      id={id}
      title="How sure"
      caption={
        <>
          How rarely {expected} looks this bad, by the end of the data. Above the red line the gate fails the
          canary, once failures last {durationText(minFaultMs)}. Dots: recomputed from the data of now.
          Circles: answers that were given.
        </>
      }
      description={`Evidence over time. It is now 1 in ${grouped(Math.floor(shown(last?.evidence ?? 1)))}; the gate aborts at 1 in ${grouped(threshold)}.`}
      height={height}
    >
      <YAxis ticks={ticks} />
      <TimeAxis scale={x} y={height - chart.bottom} />
      <Border y={y(threshold)} label={`abort: 1 in ${grouped(threshold)}`} kind="abort" />
      {path !== null && <path class="trend" d={path} />}
      {points.map((point) => (
        <circle
          key={point.atMs}
          class="recomputed"
          cx={round(x(point.atMs))}
          cy={round(y(shown(point.evidence)))}
          r="2"
          data-evidence={point.evidence}
        />
      ))}
      {given.map((point) => (
        <circle
          key={point.atMs}
          class="given"
          cx={round(x(point.atMs))}
          cy={round(y(shown(point.evidence)))}
          r="3.5"
          data-evidence={point.evidence}
        />
      ))}
    </Figure>
  );
}

/** Evidence below 1 speaks for the canary: how far below decides nothing. */
function shown(evidence: number): number {
  return Math.max(1, evidence);
}

function powersOfTen(top: number): number[] {
  const powers: number[] = [];
  for (let power = 1; power <= top * 1.0001; power *= 10) powers.push(power);
  return powers;
}
