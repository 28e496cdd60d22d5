import { boundText, plain } from '../../domain/judge/number-text.ts';
import { hourText } from '../../plan/levels.ts';
import type {
  Judgeable,
  PlanEntry,
  TrafficPlan,
  WeightForecast,
  WeightPlan,
} from '../../plan/traffic-plan.ts';
import type { Colors } from './colors.ts';
import { table } from './verdict.ts';

const words: Readonly<Record<Judgeable, string>> = {
  always: 'yes',
  by_day: 'by day',
  unproven: 'unproven',
  never: 'NO',
  unknown: 'unknown',
};

/** A plan as text: the traffic, a table for each weight, then what would help. */
export function planText(plan: TrafficPlan, colors: Colors): string {
  const { entries } = plan;
  const blocks = [
    [
      `Traffic of ${plan.days === 1 ? 'one day' : `${plan.days} days`}, ${minute(plan.from)} to ${minute(plan.to)} UTC: requests a minute of the CUJ, canary`,
      'and stable together, in the median hour and in the quietest hour of the day.',
      '',
      ...headed(colors, 2, [
        [
          'CUJ',
          'SLI',
          'median',
          'quietest',
          'at',
          'objective',
          'so far',
          'clean requests',
          'or limited',
          'min weight',
          'quietest',
        ],
        ...entries.map(trafficRow),
      ]),
    ],
    ...(entries[0]?.weights ?? []).map(({ weight }, at) => [
      colors.bold(`At ${plain(weight)}%`),
      ...headed(colors, 3, [
        [
          'CUJ',
          'SLI',
          'judged',
          'pass after',
          'rules out',
          'fails at',
          'of the budget',
          'quietest hour',
          'rules out',
          'fails at',
          'of the budget',
        ],
        ...entries.map((entry) => weightRow(entry, entry.weights[at] as WeightPlan)),
      ]),
    ]),
  ];
  const said = entries.flatMap((entry) => remarks(entry, plan.waitMinutes, colors));
  if (said.length > 0) blocks.push(said);
  blocks.push([summary(plan, colors)]);
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function headed(colors: Colors, left: number, rows: readonly (readonly string[])[]): string[] {
  const [header, ...body] = table(rows, left);
  return [colors.dim(header as string), ...body];
}

function nameOf({ cuj, service, mode }: PlanEntry, all = true): string {
  return `${cuj} (${service}${all && mode === 'observe' ? ', observe' : ''})`;
}

function trafficRow(entry: PlanEntry): string[] {
  const { requestsPerMinute: levels, minWeight, value } = entry;
  const percentOrNone = (weight: number | null) => (weight === null ? 'none' : `${weight}%`);
  return [
    nameOf(entry),
    entry.sli,
    plain(levels.median),
    plain(levels.quietest),
    hourText(levels.quietestHour).replace(' UTC', ''),
    `${entry.objective}%`,
    value === null ? '-' : `${plain3(value * 100)}%`,
    entry.cleanRequests === null ? '-' : plain(entry.cleanRequests),
    entry.limitedRequests === null ? '-' : plain(entry.limitedRequests),
    percentOrNone(minWeight.median),
    percentOrNone(minWeight.quietest),
  ];
}

function weightRow(entry: PlanEntry, { judgeable, median, quietest }: WeightPlan): string[] {
  return [
    nameOf(entry),
    entry.sli,
    words[judgeable],
    timeText(median),
    ruledOutText(median),
    ...caughtText(median),
    timeText(quietest),
    ruledOutText(quietest),
    ...caughtText(quietest),
  ];
}

function timeText({ minutes, fits }: WeightForecast): string {
  if (minutes === null) return 'never';
  return fits ? spanText(minutes) : `(${spanText(minutes)})`;
}

function ruledOutText({ minutes, rulesOutRate }: WeightForecast): string {
  return minutes === null ? '-' : boundText(rulesOutRate);
}

function caughtText({ failAtBadEvents, requests, caughtBurn }: WeightForecast): [string, string] {
  if (failAtBadEvents === null || caughtBurn === null) return ['-', '-'];
  return [`${failAtBadEvents} of ${plain(Math.round(requests))}`, `${plain(caughtBurn)}x`];
}

/** What is wrong at the weight. */
function titleOf({ weight, judgeable, median, quietest }: WeightPlan, waitMinutes: number): string {
  const at = `at ${plain(weight)}%`;
  const late = (minutes: number | null) =>
    `passes after ${spanText(minutes as number)} ${at}, and a rollout waits for ${spanText(Math.floor(waitMinutes))}`;
  switch (judgeable) {
    case 'unknown':
      return '';
    case 'unproven':
      return ` passes unproven ${at}`;
    case 'never':
      return ` cannot be judged ${at}`;
    case 'by_day':
      return median.inTime ? ` by day only ${at}` : ` ${late(median.minutes)}`;
    case 'always':
      if (!median.inTime) return ` ${late(median.minutes)}`;
      return quietest.inTime ? '' : ` in the quietest hour ${late(quietest.minutes)}`;
  }
}

function remarks({ help, notes, ...entry }: PlanEntry, waitMinutes: number, colors: Colors): string[] {
  if (help.length === 0 && notes.length === 0) return [];
  const largest = entry.weights.at(-1) as WeightPlan;
  const { judgeable } = largest;
  const colour = judgeable === 'never' || judgeable === 'unknown' ? colors.red : colors.yellow;
  return [
    `${colour(colors.bold(nameOf({ help, notes, ...entry }, false)))} ${entry.sli}${titleOf(largest, waitMinutes)}`,
    ...(help.length > 0 ? ['  what would help, any one of:'] : []),
    ...help.map((line) => `    ${line}`),
    ...notes.map((line) => `  note: ${line}`),
  ];
}

function summary({ entries, notJudgeable, late, waitMinutes }: TrafficPlan, colors: Colors): string {
  const enforced = new Set(entries.filter(({ mode }) => mode === 'enforce').map(({ cuj }) => cuj)).size;
  return [
    notJudgeable.length === 0
      ? colors.green(`all of ${enforced} enforced CUJs can be judged`)
      : colors.red(
          `${notJudgeable.length} of ${enforced} enforced CUJs cannot be judged at any of the weights: ${notJudgeable.join(', ')}`,
        ),
    ...(late.length === 0
      ? []
      : [
          colors.yellow(
            `${late.length} of ${enforced} pass later than a rollout waits (${spanText(Math.floor(waitMinutes))}), which then pauses for a person: ${late.join(', ')}`,
          ),
        ]),
  ].join('\n');
}

function spanText(minutes: number): string {
  if (minutes < 120) return `${minutes} min`;
  if (minutes < 48 * 60) return `${plain(Math.ceil(minutes / 6) / 10)} h`;
  return `${Math.ceil(minutes / 1_440)} d`;
}

function plain3(value: number): string {
  return String(Math.floor(value * 1000 + 1e-6) / 1000);
}

function minute(rfc3339: string): string {
  return rfc3339.slice(0, 16).replace('T', ' ');
}
