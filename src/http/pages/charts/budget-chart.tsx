import { scaleLinear, scaleUtc } from 'd3-scale';
import { line } from 'd3-shape';
import type { BudgetMoment } from '../../../domain/ports/error-budget.ts';
import { ratioText } from '../page-text.ts';
import { chart, Figure, round, YAxis } from './chart-frame.tsx';

const height = 170;

/** How the error budget of the SLO's window was used up. */
export function BudgetChart({ id, points }: { id: string; points: readonly BudgetMoment[] }) {
  const x = scaleUtc()
    .domain([points[0]?.atMs ?? 0, points.at(-1)?.atMs ?? 0])
    .range([chart.left, chart.width - chart.right]);
  const lowest = Math.min(0, ...points.map(({ remaining }) => remaining));
  const y = scaleLinear()
    .domain([lowest, 1])
    .nice(4)
    .range([height - chart.bottom, chart.top]);
  const path = line<BudgetMoment>()
    .x(({ atMs }) => round(x(atMs)))
    .y(({ remaining }) => round(y(remaining)))(points as BudgetMoment[]);
  return (
    <Figure
      id={id}
      title="Error budget left"
      description={`The share of the error budget that was left. Now: ${ratioText(points.at(-1)?.remaining ?? 1)}.`}
      height={height}
    >
      <YAxis ticks={y.ticks(4).map((value) => ({ at: y(value), label: ratioText(value) }))} />
      <g class="axis time">
        {x.ticks(6).map((tick) => (
          <text key={tick.getTime()} x={round(x(tick))} y={height - chart.bottom + 18} text-anchor="middle">
            {tick.toISOString().slice(5, 10)}
          </text>
        ))}
      </g>
      <g class="border abort">
        <line x1={chart.left} x2={chart.width - chart.right} y1={round(y(0))} y2={round(y(0))} />
      </g>
      {path !== null && <path class="trend" d={path} />}
    </Figure>
  );
}
