import type { ScaleTime } from 'd3-scale';
import type { ComponentChildren } from 'preact';
import { ScrollRegion } from '../elements.tsx';

/** The coordinates that all charts of a page share, in SVG units. */
export const chart = { width: 720, left: 84, right: 30, top: 14, bottom: 26 } as const;

/** Coordinates with a tenth of a unit: more digits make the page longer and show nothing. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export interface Tick {
  readonly at: number;
  readonly label: string;
}

/** Lines across a chart with labels at its left. */
export function YAxis({ ticks }: { ticks: readonly Tick[] }) {
  return (
    <g class="axis">
      {ticks.map(({ at, label }) => (
        <g key={label}>
          <line x1={chart.left} x2={chart.width - chart.right} y1={round(at)} y2={round(at)} />
          <text x={chart.left - 6} y={round(at)} dy="0.32em" text-anchor="end">
            {label}
          </text>
        </g>
      ))}
    </g>
  );
}

/** Times below a chart, as `12:04`. */
export function TimeAxis({ scale, y }: { scale: ScaleTime<number, number>; y: number }) {
  const ticks = scale.ticks(6);
  // Ticks within a minute need their seconds.
  const end = ticks.some((tick) => tick.getTime() % 60_000 !== 0) ? 19 : 16;
  return (
    <g class="axis time">
      {ticks.map((tick) => (
        <g key={tick.getTime()}>
          <line x1={round(scale(tick))} x2={round(scale(tick))} y1={y} y2={y + 5} />
          <text x={round(scale(tick))} y={y + 18} text-anchor="middle">
            {tick.toISOString().slice(11, end)}
          </text>
        </g>
      ))}
    </g>
  );
}

/** A horizontal border of a verdict, with its name. */
export function Border({ y, label, kind }: { y: number; label: string; kind: 'abort' | 'pass' }) {
  return (
    <g class={`border ${kind}`}>
      <line x1={chart.left} x2={chart.width - chart.right} y1={round(y)} y2={round(y)} />
      <text x={chart.width - chart.right} y={round(y) - 4} text-anchor="end">
        {label}
      </text>
    </g>
  );
}

/** A chart with its title, its description for those who do not see it, and a caption below it. */
export function Figure({
  id,
  title,
  description,
  height,
  caption,
  children,
}: {
  id: string;
  title: string;
  description: string;
  height: number;
  caption?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <figure id={id} class="chart">
      <figcaption>
        <strong>{title}</strong> {caption}
      </figcaption>
      <ScrollRegion label={title}>
        <svg
          viewBox={`0 0 ${chart.width} ${height}`}
          role="img"
          aria-labelledby={`${id}-title`}
          preserveAspectRatio="xMidYMid meet"
        >
          <title id={`${id}-title`}>{description}</title>
          {children}
        </svg>
      </ScrollRegion>
    </figure>
  );
}
