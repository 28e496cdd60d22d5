import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { grouped } from '../page-text.ts';
import { chart, Figure, round, YAxis } from './chart-frame.tsx';

export interface CountsPoint {
  readonly total: number;
  readonly bad: number;
}

const height = 210;

/** Bad requests against all requests, for a rule that decides by these counts alone: above the border it fails. */
export function CountsChart({
  id,
  points,
  budget,
  minRequests,
  badVerb,
}: {
  id: string;
  points: readonly CountsPoint[];
  /** The allowed rate of bad requests, 0 to 1. */
  budget: number;
  /** Below it, nothing is decided. */
  minRequests: number;
  badVerb: string;
}) {
  const last = points.at(-1) ?? { total: 0, bad: 0 };
  const maxTotal = Math.max(minRequests * 1.5, ...points.map(({ total }) => total)) * 1.05;
  const maxBad = Math.max(2, maxTotal * budget, ...points.map(({ bad }) => bad)) * 1.1;
  const x = scaleLinear()
    .domain([0, maxTotal])
    .range([chart.left, chart.width - chart.right]);
  const y = scaleLinear()
    .domain([0, maxBad])
    .range([height - chart.bottom, chart.top]);
  const path = line<CountsPoint>()
    .x(({ total }) => round(x(total)))
    .y(({ bad }) => round(y(bad)))(points as CountsPoint[]);
  return (
    <Figure
      id={id}
      title="Against the border"
      caption={<>Requests that {badVerb} (up) against all requests (right). Above the line the rule fails.</>}
      description={`${grouped(last.bad)} of ${grouped(last.total)} requests ${badVerb}; the rule fails above ${grouped(budget * last.total)}.`}
      height={height}
    >
      <YAxis ticks={y.ticks(4).map((value) => ({ at: y(value), label: grouped(value) }))} />
      <g class="axis time">
        {x.ticks(6).map((value) => (
          <text key={value} x={round(x(value))} y={height - chart.bottom + 18} text-anchor="middle">
            {grouped(value)}
          </text>
        ))}
      </g>
      <rect
        class="outside"
        x={chart.left}
        y={chart.top}
        width={round(x(Math.min(minRequests, maxTotal)) - chart.left)}
        height={height - chart.top - chart.bottom}
      />
      <line
        class="abort-border"
        x1={round(x(0))}
        y1={round(y(0))}
        x2={round(x(maxTotal))}
        y2={round(y(budget * maxTotal))}
      />
      {path !== null && <path class="trend" d={path} />}
      <circle
        class="given"
        cx={round(x(last.total))}
        cy={round(y(last.bad))}
        r="4"
        data-bad={last.bad}
        data-total={last.total}
      />
    </Figure>
  );
}
