/** The chart of docs/detection-benchmark.md: the time to abort by fault and traffic, at as many false aborts. */
import { font, ink, round, text } from '../simulate/chart.ts';
import { type CellResult, gateId, knownFaultId, type Tally } from './benchmark.ts';
import { detectors } from './detectors.ts';
import type { Results } from './results.ts';
import { sizeNames } from './scenarios.ts';

const width = 760;
const bar = { left: 160, right: 650, height: 12, gap: 4 };
const scale = { from: 0.5, to: 60, ticks: [0.5, 1, 2, 5, 10, 20, 60] };

function xOf(minutes: number): number {
  const at = Math.log(Math.max(scale.from, Math.min(scale.to, minutes)) / scale.from);
  return bar.left + ((bar.right - bar.left) * at) / Math.log(scale.to / scale.from);
}

const others = '#0969da';

/** The detectors of the chart: one of each kind. */
const shown = ['talk-cuj', 'argo-1m-service', 'argo-1m-cuj', 'kayenta-1m'];
const rows = [
  { id: knownFaultId, name: 'known fault', setting: 'at1' as const, colour: ink.faint },
  { id: gateId, name: 'cuj-gate', setting: 'default' as const, colour: ink.pass },
  ...detectors
    .filter(({ id }) => shown.includes(id))
    .map(({ id, name }) => ({ id, name, setting: 'at1' as const, colour: others })),
];

function barOf({ seconds: { median, p90 } }: Tally, y: number, colour: string): string[] {
  const from = bar.left;
  const rect = (to: number, opacity: number) =>
    `<rect x="${from}" y="${y}" width="${round(xOf(to) - from)}" height="${bar.height}" fill="${colour}" fill-opacity="${opacity}"/>`;
  return [rect((p90 ?? 3600) / 60, 0.35), ...(median === null ? [] : [rect(median / 60, 1)])];
}

function wordsOf({ seconds: { median }, aborted, early }: Tally, runs: number): string {
  const seen = runs - early;
  if (median !== null) return `${(median / 60).toFixed(1)} min`;
  return seen === 0 ? 'n/a' : `${Math.round((100 * aborted) / seen)}% in 60 min`;
}

function groupOf(cell: CellResult, top: number): { readonly parts: string[]; readonly bottom: number } {
  const { requestsPerMinute, size, tallies, runs } = cell;
  const title = `${requestsPerMinute.toLocaleString('en')} requests/min, ${sizeNames[size]}`;
  const parts = [text(24, top, title, ' font-weight="600"')];
  let y = top + 10;
  for (const { id, name, setting, colour } of rows) {
    const tally = tallies[id]?.[setting];
    parts.push(text(bar.left - 10, y + 10, name, ' text-anchor="end"'));
    if (tally !== undefined) {
      parts.push(...barOf(tally, y, colour));
      parts.push(text(bar.right + 8, y + 10, wordsOf(tally, runs), ` fill="${ink.faint}"`));
    }
    y += bar.height + bar.gap;
  }
  return { parts, bottom: y + 20 };
}

export function detectionChart({ cells, arrivalSeconds }: Results): string {
  const parts: string[] = [];
  let y = 104;
  for (const cell of cells.filter(({ shape, onsetMinutes }) => shape === 'step' && onsetMinutes === 10)) {
    const group = groupOf(cell, y);
    parts.push(...group.parts);
    y = group.bottom;
  }
  const lines = scale.ticks.map((minutes) => {
    const x = round(xOf(minutes));
    return `<path d="M${x} 86V${y - 24}" stroke="${ink.grid}"/>${text(xOf(minutes), 80, String(minutes), ` text-anchor="middle" fill="${ink.faint}"`)}`;
  });
  const lag = `<path d="M${round(xOf(arrivalSeconds / 60))} 86V${y - 24}" stroke="${ink.faint}" stroke-dasharray="3 3"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img" aria-label="Time from the first failed request to the abort, by fault and by the canary's requests per minute on the CUJ" ${font} fill="${ink.text}">
<rect width="${width}" height="${y}" rx="8" fill="${ink.paper}"/>
${text(24, 28, 'Time to abort, at as many false aborts as cuj-gate', ' font-size="15" font-weight="600"')}
${text(24, 50, 'Minutes from the first failed request. Solid: median. Pale: up to the 90th percentile. Dashed: until counts can be queried.', ` fill="${ink.faint}"`)}
${[...lines, lag, ...parts].join('\n')}
</svg>
`;
}
