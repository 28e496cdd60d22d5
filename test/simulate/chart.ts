import { judge } from '../../src/domain/judge/judge.ts';
import { cujOf, endpointOf, measurementOf } from '../domain/judge/journey.ts';
import { confidenceLine, everAborts, strictLine } from './exact.ts';
import { budget } from './rollout.ts';
import { multiples, sizes } from './scenarios.ts';
import type { Results } from './simulate.ts';

/** The charts of docs/verdicts.md as SVG: plain shapes and text, readable on a light and on a dark page. */

const width = 760;
const height = 400;
export const font = `font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12"`;
const plot = { left: 62, right: 180, top: 52, bottom: 50 };
export const ink = {
  text: '#24292f',
  faint: '#6e7781',
  grid: '#d8dee4',
  fail: '#cf222e',
  pass: '#1a7f37',
  paper: '#ffffff',
};

interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
}

function logScale(from: number, to: number, start: number, end: number, ticks: Scale['ticks']): Scale {
  const span = Math.log(to / from);
  return { ticks, at: (value) => start + ((end - start) * Math.log(value / from)) / span };
}

function linearScale(from: number, to: number, start: number, end: number, ticks: Scale['ticks']): Scale {
  return { ticks, at: (value) => start + ((end - start) * (value - from)) / (to - from) };
}

export function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export function text(x: number, y: number, words: string, more = ''): string {
  return `<text x="${round(x)}" y="${round(y)}"${more}>${words}</text>`;
}

function frame(title: string, x: Scale, y: Scale, xName: string, yName: string, inside: string): string {
  const bottom = height - plot.bottom;
  const right = width - plot.right;
  const lines = [
    ...x.ticks.map(({ value, label }) => {
      const at = round(x.at(value));
      return `<path d="M${at} ${plot.top}V${bottom}" stroke="${ink.grid}"/>${text(x.at(value), bottom + 18, label, ' text-anchor="middle"')}`;
    }),
    ...y.ticks.map(({ value, label }) => {
      const at = round(y.at(value));
      return `<path d="M${plot.left} ${at}H${right}" stroke="${ink.grid}"/>${text(plot.left - 8, y.at(value) + 4, label, ' text-anchor="end"')}`;
    }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}" ${font} fill="${ink.text}">
<rect width="${width}" height="${height}" rx="8" fill="${ink.paper}"/>
${text(plot.left, 28, title, ' font-size="15" font-weight="600"')}
${lines.join('\n')}
${inside}
${text((plot.left + right) / 2, height - 12, xName, ` text-anchor="middle" fill="${ink.faint}"`)}
${text(plot.left, plot.top - 8, yName, ` fill="${ink.faint}"`)}
</svg>
`;
}

/** The product's verdict on `bad` of `requests` on a single endpoint, over ten minutes. */
function outcome(requests: number, bad: number) {
  const ten = (count: number) => Array.from({ length: 10 }, (_, i) => Math.floor((count + 9 - i) / 10));
  const measurement = measurementOf({
    availability: [
      endpointOf('GET /a', { total: ten(requests), bad: ten(bad) }, { total: ten(9000), bad: [] }),
    ],
  });
  return judge(cujOf(), measurement, { registryDigest: 'chart' });
}

interface Timeline {
  readonly title: string;
  readonly why: readonly [string, string];
  /** Counts of each minute, for ten minutes at most. */
  readonly canary: readonly (readonly [requests: number, bad: number])[];
  readonly stable: readonly (readonly [requests: number, bad: number])[];
}

const minutes = 8;

function steady(requests: number, ...bad: readonly number[]): [number, number][] {
  return Array.from({ length: minutes }, (_, i) => [requests, bad[i] ?? 0]);
}

export const timelines: readonly Timeline[] = [
  {
    title: 'A good release',
    why: ['passes after 415 requests', 'without a failure'],
    canary: steady(100),
    stable: steady(900, 0, 0, 1),
  },
  {
    title: 'A broken release',
    why: ['is aborted in the second minute', 'that has failures'],
    canary: steady(100, 0, 0, 3, 2),
    stable: steady(900, 0, 1),
  },
  {
    title: 'Too little traffic',
    why: ['is not decided: one failure of', '160 requests may be chance'],
    canary: steady(20, 0, 0, 0, 1),
    stable: steady(180),
  },
  {
    title: 'A dependency fails',
    why: ['is not held against the release:', 'stable fails as well'],
    canary: steady(100, 0, 0, 3, 2, 2, 3, 2, 3),
    stable: steady(900, 0, 0, 20, 22, 19, 20, 21, 18),
  },
];

/** The product's verdict at the end of each minute, up to the first fail. */
export function verdictsOf({ canary, stable }: Timeline): { verdict: string; reason: string }[] {
  const answers: { verdict: string; reason: string }[] = [];
  for (let minute = 1; minute <= minutes && answers.at(-1)?.verdict !== 'fail'; minute += 1) {
    const [total, bad] = [0, 1].map((at) => canary.slice(0, minute).map((counts) => counts[at] as number));
    const [all, failed] = [0, 1].map((at) => stable.slice(0, minute).map((counts) => counts[at] as number));
    const measurement = measurementOf({
      availability: [
        endpointOf(
          'GET /a',
          { total: total as number[], bad: bad as number[] },
          { total: all as number[], bad: failed as number[] },
        ),
      ],
    });
    const { verdict, reason } = judge(cujOf(), measurement, { registryDigest: 'chart' });
    answers.push({ verdict, reason });
  }
  return answers;
}

/** Four rollouts, minute by minute: requests and failures of canary and stable, and the verdict of the product. */
export function timelineChart(): string {
  const left = 272;
  const step = 58;
  const panel = 96;
  const top = 66;
  const all = top + timelines.length * panel + 22;
  const marks = {
    pass: [ink.pass, 'PASS'],
    fail: [ink.fail, 'FAIL'],
    inconclusive: [ink.faint, '?'],
  } as const;
  const side = (counts: Timeline['canary'], y: number, until: number) =>
    counts
      .slice(0, until)
      .map(([requests, bad], i) => {
        const x = left + i * step + step / 2;
        if (bad === 0) return text(x, y, String(requests), ' text-anchor="middle"');
        return `${text(x - 3, y, String(requests), ' text-anchor="end"')}<rect x="${round(x + 1)}" y="${round(y - 12)}" width="22" height="16" rx="8" fill="${ink.fail}"/>${text(x + 12, y, String(bad), ` text-anchor="middle" font-weight="700" fill="${ink.paper}"`)}`;
      })
      .join('');
  const panels = timelines.map((timeline, row) => {
    const y = top + row * panel;
    const answers = verdictsOf(timeline);
    const chips = answers.map(({ verdict }, i) => {
      const [colour, word] = marks[verdict as keyof typeof marks];
      const x = left + i * step;
      return `<rect x="${x + 5}" y="${y + 62}" width="${step - 10}" height="19" rx="4" fill="${colour}"/>${text(x + step / 2, y + 76, word, ` text-anchor="middle" font-weight="700" fill="${ink.paper}"`)}`;
    });
    const aborted =
      answers.at(-1)?.verdict === 'fail'
        ? text(
            left + answers.length * step + 8,
            y + 76,
            'aborted: all traffic is stable’s again',
            ` fill="${ink.fail}"`,
          )
        : '';
    return `<path d="M20 ${y}H${width - 20}" stroke="${ink.grid}"/>
${text(20, y + 26, timeline.title, ' font-weight="700" font-size="13"')}
${text(20, y + 46, timeline.why[0], ` fill="${ink.faint}"`)}${text(20, y + 62, timeline.why[1], ` fill="${ink.faint}"`)}
${text(left - 10, y + 26, 'canary', ` text-anchor="end" fill="${ink.faint}"`)}${side(timeline.canary, y + 26, answers.length)}
${text(left - 10, y + 48, 'stable', ` text-anchor="end" fill="${ink.faint}"`)}${side(timeline.stable, y + 48, answers.length)}
${chips.join('')}${aborted}`;
  });
  const head = Array.from({ length: minutes }, (_, i) =>
    text(left + i * step + step / 2, top - 10, `${i + 1}`, ` text-anchor="middle" fill="${ink.faint}"`),
  ).join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${all}" width="${width}" height="${all}" role="img" aria-label="Four rollouts minute by minute: a good release passes, a broken one is aborted, and two are inconclusive" ${font} fill="${ink.text}">
<rect width="${width}" height="${all}" rx="8" fill="${ink.paper}"/>
${text(20, 28, 'Four rollouts, minute by minute, at an objective of 99.95%', ' font-size="15" font-weight="600"')}
${text(left - 10, top - 10, 'minute', ` text-anchor="end" fill="${ink.faint}"`)}${head}
${panels.join('\n')}
<rect x="20" y="${all - 22}" width="22" height="14" rx="7" fill="${ink.fail}"/>${text(50, all - 11, 'failed requests, beside all requests of the minute', ` fill="${ink.faint}"`)}
<rect x="400" y="${all - 22}" width="22" height="14" rx="4" fill="${ink.faint}"/>${text(411, all - 11, '?', ` text-anchor="middle" font-weight="700" fill="${ink.paper}"`)}${text(430, all - 11, 'INCONCLUSIVE: not known yet', ` fill="${ink.faint}"`)}
</svg>
`;
}

/** Abort threshold and pass threshold over requests, both from the product. */
export function linesChart(): string {
  const from = 50;
  const to = 20_000;
  const most = 26;
  const x = logScale(
    from,
    to,
    plot.left,
    width - plot.right,
    [50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000].map((value) => ({
      value,
      label: value.toLocaleString('en'),
    })),
  );
  const y = linearScale(
    0,
    most,
    height - plot.bottom,
    plot.top,
    [0, 5, 10, 15, 20, 25].map((value) => ({ value, label: String(value) })),
  );
  const points = Array.from({ length: 241 }, (_, i) => Math.round(from * (to / from) ** (i / 240)));
  const lines = points.map((requests) => {
    const clean = outcome(requests, 0);
    const failAt = clean.slis[0]?.failAtBadEvents ?? most;
    let passes = -1;
    while (passes + 1 < failAt && outcome(requests, passes + 1).verdict === 'pass') passes += 1;
    return { requests, failAt, passes };
  });
  const step = (of: (line: (typeof lines)[number]) => number) =>
    lines
      .map((line, i) => {
        const px = round(x.at(line.requests));
        const py = round(y.at(of(line)));
        return i === 0 ? `M${px} ${py}` : `H${px}V${py}`;
      })
      .join('');
  const abort = step(({ failAt }) => failAt);
  const passing = lines.filter(({ passes }) => passes >= 0);
  const first = x.at((passing[0] as (typeof lines)[number]).requests);
  const pass = passing
    .map(({ requests, passes }, i) => {
      const px = round(x.at(requests));
      const py = round(y.at(passes + 0.5));
      return i === 0 ? `M${px} ${py}` : `H${px}V${py}`;
    })
    .join('');
  const right = width - plot.right;
  const bottom = height - plot.bottom;
  const labels = [
    text(right + 12, y.at(24.2), 'FAIL', ` font-weight="700" fill="${ink.fail}"`),
    text(right + 12, y.at(24.2) + 16, 'at this line or above', ` fill="${ink.faint}"`),
    text(right + 12, y.at(16), 'INCONCLUSIVE', ' font-weight="700"'),
    text(right + 12, y.at(16) + 16, 'too few requests', ` fill="${ink.faint}"`),
    text(right + 12, y.at(16) + 31, 'for either', ` fill="${ink.faint}"`),
    text(right + 12, y.at(5.4), 'PASS', ` font-weight="700" fill="${ink.pass}"`),
    text(right + 12, y.at(5.4) + 16, 'on or above the SLO,', ` fill="${ink.faint}"`),
    text(right + 12, y.at(5.4) + 31, '14.4× burn ruled out', ` fill="${ink.faint}"`),
  ].join('\n');
  return frame(
    'What the counts of a canary say, at an objective of 99.95%',
    x,
    y,
    'requests of the canary (log scale)',
    'bad events',
    `<path d="${abort}V${plot.top}H${plot.left}Z" fill="${ink.fail}" fill-opacity="0.10"/>
<path d="${pass}V${bottom}H${round(first)}Z" fill="${ink.pass}" fill-opacity="0.16"/>
<path d="${abort}" fill="none" stroke="${ink.fail}" stroke-width="2"/>
<path d="M${round(first)} ${bottom}V${pass.slice(1).split(/[ HV]/)[1]}${pass.slice(pass.indexOf('H'))}" fill="none" stroke="${ink.pass}" stroke-width="2"/>
${labels}`,
  );
}

const shades = ['#8ec5ff', '#4393e4', '#1f6feb', '#0a3069'] as const;

/** Operating characteristics: how many of the rollouts are aborted, by the true rate, from the simulation. */
export function characteristicsChart(results: Results): string {
  const x = logScale(
    0.2,
    20,
    plot.left,
    width - plot.right,
    multiples.map((value) => ({ value, label: `${value}×` })),
  );
  const y = linearScale(
    0,
    100,
    height - plot.bottom,
    plot.top,
    [0, 25, 50, 75, 100].map((value) => ({ value, label: `${value}%` })),
  );
  const fine = Array.from({ length: 61 }, (_, i) => 0.2 * 100 ** (i / 60));
  // The curves are exact; the dots are results of the simulation.
  const curve = (n: number, lineAt: (requests: number) => number) =>
    fine
      .map((multiple, i) => {
        const aborted = everAborts({ looks: 10, requestsPerLook: n / 10, rate: multiple * budget }, lineAt);
        return `${i === 0 ? 'M' : 'L'}${round(x.at(multiple))} ${round(y.at(100 * aborted))}`;
      })
      .join('');
  const dots = (n: number, rule: 'confidence' | 'strict', colour: string) =>
    multiples
      .map((multiple) => {
        const cell = results.cells.find(({ id }) => id === `n${n}-x${multiple}`);
        const failed = (100 * (cell?.[rule].fail ?? 0)) / results.runs;
        return `<circle cx="${round(x.at(multiple))}" cy="${round(y.at(failed))}" r="3.2" fill="${colour}" stroke="${ink.paper}"/>`;
      })
      .join('');
  const right = width - plot.right;
  const legend = (row: number, colour: string, words: string, dashed = false) => {
    const at = plot.top + 34 + row * 22;
    return `<path d="M${right + 14} ${at - 4}h26" stroke="${colour}" stroke-width="2.5"${dashed ? ' stroke-dasharray="5 4"' : ''}/>${text(right + 48, at, words)}`;
  };
  const order = [...sizes].reverse();
  const inside = [
    `<path d="M${round(x.at(1))} ${plot.top}V${height - plot.bottom}" stroke="${ink.faint}" stroke-dasharray="2 3"/>`,
    text(x.at(1) + 5, plot.top + 14, 'exactly on the SLO', ` fill="${ink.faint}"`),
    `<path d="${curve(2000, strictLine(50))}" fill="none" stroke="${ink.fail}" stroke-width="2" stroke-dasharray="5 4"/>`,
    ...sizes.map(
      (n, i) =>
        `<path d="${curve(n, confidenceLine(budget))}" fill="none" stroke="${shades[i]}" stroke-width="2"/>`,
    ),
    dots(2000, 'strict', ink.fail),
    ...sizes.map((n, i) => dots(n, 'confidence', shades[i] as string)),
    text(right + 14, plot.top + 12, 'requests, ten analyses', ` fill="${ink.faint}"`),
    ...order.map((n, row) => legend(row, shades[sizes.indexOf(n)] as string, n.toLocaleString('en'))),
    legend(order.length, ink.fail, '2,000, strict', true),
    text(right + 14, plot.top + 34 + (order.length + 1) * 22 + 6, 'lines: exact', ` fill="${ink.faint}"`),
    text(right + 14, plot.top + 34 + (order.length + 1) * 22 + 22, 'dots: simulated', ` fill="${ink.faint}"`),
  ].join('\n');
  return frame(
    'Rollouts aborted, by how bad the release really is',
    x,
    y,
    'true rate of bad events, as a multiple of the allowed one (log scale)',
    'aborted',
    inside,
  );
}
