import { scaleLog, scaleUtc } from 'd3-scale';
import { line } from 'd3-shape';
import type { PassBounds } from '../../../domain/judge/pass-bounds.ts';
import { ratioText } from '../page-text.ts';
import { Border, chart, Figure, round, TimeAxis, YAxis } from './chart-frame.tsx';

export interface RuledOutPoint {
  /** Epoch ms. */
  readonly atMs: number;
  /** The failure rate above which every rate is ruled out, 0 to 1. */
  readonly rate: number;
}

const height = 170;

/** Which failure rates are ruled out over time, against what a pass asks for. */
export function RuledOutChart({
  id,
  points,
  bounds,
}: {
  id: string;
  points: readonly RuledOutPoint[];
  bounds: PassBounds;
}) {
  const x = scaleUtc()
    .domain([points[0]?.atMs ?? 0, points.at(-1)?.atMs ?? 0])
    .range([chart.left, chart.width - chart.right]);
  const rates = [...points.map(({ rate }) => rate), bounds.proven, bounds.limited].filter(
    (rate): rate is number => rate !== undefined && rate > 0,
  );
  const bottom = 10 ** Math.floor(Math.log10(Math.min(1, ...rates)));
  const y = scaleLog()
    .domain([bottom, 1])
    .range([height - chart.bottom, chart.top])
    .clamp(true);
  const path = line<RuledOutPoint>()
    .x(({ atMs }) => round(x(atMs)))
    .y(({ rate }) => round(y(Math.max(bottom, rate))))(points as RuledOutPoint[]);
  const ticks = [];
  for (let rate = 1; rate >= bottom * 0.999; rate /= 10) ticks.push({ at: y(rate), label: ratioText(rate) });
  const last = points.at(-1);
  return (
    <Figure
      id={id}
      title="What is ruled out"
      caption={<>Higher failure rates than the line are ruled out. A pass needs it to be low enough.</>}
      description={`Failure rates that are ruled out over time. Now: above ${ratioText(last?.rate ?? 1)}.`}
      height={height}
    >
      <YAxis ticks={ticks} />
      <TimeAxis scale={x} y={height - chart.bottom} />
      {bounds.limited !== undefined && (
        <Border
          y={y(bounds.limited)}
          label={`pass with limited evidence: ${ratioText(bounds.limited)}`}
          kind="pass"
        />
      )}
      {bounds.proven !== undefined && (
        <Border
          y={y(bounds.proven)}
          label={`proven pass: ${ratioText(bounds.proven)}, a fast burn is ruled out`}
          kind="pass"
        />
      )}
      {path !== null && <path class="trend" d={path} />}
      {points.map((point) => (
        <circle
          key={point.atMs}
          class="recomputed"
          cx={round(x(point.atMs))}
          cy={round(y(Math.max(bottom, point.rate)))}
          r="2"
          data-rate={point.rate}
        />
      ))}
    </Figure>
  );
}
