import type { Page } from 'playwright-core';

/** What is used of a verdict's JSON. */
interface Verdict {
  readonly rule: string;
  readonly slis: readonly {
    readonly sli: string;
    readonly evidence: number;
    readonly shareEvidence: number;
    readonly evidenceThreshold: number;
    readonly rulesOutRate: number;
  }[];
}

interface Drawn {
  readonly ticks: readonly { readonly label: string; readonly y: number }[];
  readonly borders: readonly { readonly label: string; readonly y: number }[];
  readonly points: readonly {
    readonly cx: number;
    readonly cy: number;
    readonly evidence?: string;
    readonly rate?: string;
  }[];
  readonly bars: readonly {
    readonly y: number;
    readonly height: number;
    readonly bad: number;
    readonly total: number;
  }[];
}

/** Coordinates are rounded to a tenth of a unit. */
const tolerance = 0.6;

/** Whether points, bars and borders stand where the axis says that their number is. Each string is what is wrong. */
export async function checkCharts(page: Page, verdict: Verdict): Promise<string[]> {
  const wrong: string[] = [];
  for (const sli of verdict.slis) {
    const evidence = verdict.rule === 'baseline' ? sli.shareEvidence : sli.evidence;
    const drawn = await drawnIn(page, `sli-${sli.sli}-evidence`);
    if (drawn !== undefined) {
      const at = logScale(
        drawn.ticks.map(({ label, y }) => ({ value: Number(label.replace(/1 in |,/g, '')), y })),
      );
      const last = drawn.points.at(-1);
      if (last === undefined || Number(last.evidence) !== evidence)
        wrong.push(`the last point of ${sli.sli} is ${last?.evidence}, the JSON has ${evidence}`);
      for (const { cy, evidence: value } of drawn.points)
        expectAt(`evidence ${value}`, cy, at(Math.min(1e6, Math.max(1, Number(value)))));
      expectAt('the abort threshold', drawn.borders[0]?.y, at(sli.evidenceThreshold));
      if (!sorted(drawn.points.map(({ cx }) => cx))) wrong.push('points are not in the order of time');
    }
    const ruledOut = await drawnIn(page, `sli-${sli.sli}-ruled-out`);
    if (ruledOut !== undefined) {
      const at = logScale(
        ruledOut.ticks.map(({ label, y }) => ({ value: Number.parseFloat(label) / 100, y })),
      );
      const last = ruledOut.points.at(-1);
      if (Number(last?.rate) !== sli.rulesOutRate)
        wrong.push(`the last rate of ${sli.sli} is ${last?.rate}, the JSON has ${sli.rulesOutRate}`);
      for (const { cy, rate } of ruledOut.points) expectAt(`rate ${rate}`, cy, at(Number(rate)));
    }
    const timeline = await drawnIn(page, `sli-${sli.sli}-timeline`);
    if (timeline === undefined) continue;
    const percent = timeline.ticks
      .filter(({ label }) => label.endsWith('%'))
      .map(({ label, y }) => ({ value: Number.parseFloat(label) / 100, y }));
    const [low, high] = [percent[0], percent.at(-1)];
    if (low === undefined || high === undefined || low === high) continue;
    const scale = (low.y - high.y) / (high.value - low.value);
    for (const { height, bad, total } of timeline.bars) {
      // Labels have two digits, and so has the scale that is read off them.
      const expected = (bad / total) * scale;
      if (Math.abs(height - expected) > tolerance + 0.02 * expected)
        wrong.push(`a bar of ${bad} of ${total} is ${height} high, not ${expected.toFixed(1)}`);
    }
  }
  return wrong;

  function expectAt(what: string, y: number | undefined, expected: number): void {
    if (y === undefined || Math.abs(y - expected) > tolerance)
      wrong.push(`${what} is at ${y}, not at ${expected.toFixed(1)}`);
  }
}

function sorted(values: readonly number[]): boolean {
  return values.every((value, i) => i === 0 || value >= (values[i - 1] as number));
}

/** Where a value stands, by the first and the last tick of a logarithmic axis. */
function logScale(
  ticks: readonly { readonly value: number; readonly y: number }[],
): (value: number) => number {
  const [first, last] = [ticks[0], ticks.at(-1)] as [
    { value: number; y: number },
    { value: number; y: number },
  ];
  const perUnit = (last.y - first.y) / (Math.log(last.value) - Math.log(first.value));
  return (value) => first.y + (Math.log(value) - Math.log(first.value)) * perUnit;
}

async function drawnIn(page: Page, id: string): Promise<Drawn | undefined> {
  if ((await page.locator(`#${id}`).count()) === 0) return undefined;
  return page.locator(`#${id}`).evaluate((figure) => {
    const all = (selector: string) => [...figure.querySelectorAll(selector)];
    const number = (of: Element | null, name: string) => Number(of?.getAttribute(name));
    const labelled = (group: Element) => ({
      label: group.querySelector('text')?.textContent ?? '',
      y: number(group.querySelector('line'), 'y1'),
    });
    return {
      ticks: all('.axis:not(.time) > g').map(labelled),
      borders: all('.border').map(labelled),
      points: all('circle.recomputed').map((one) => ({
        cx: number(one, 'cx'),
        cy: number(one, 'cy'),
        ...(one.getAttribute('data-evidence') === null
          ? {}
          : { evidence: one.getAttribute('data-evidence') ?? '' }),
        ...(one.getAttribute('data-rate') === null ? {} : { rate: one.getAttribute('data-rate') ?? '' }),
      })),
      bars: all('rect.bar').map((one) => ({
        y: number(one, 'y'),
        height: number(one, 'height'),
        bad: number(one, 'data-bad'),
        total: number(one, 'data-total'),
      })),
    };
  });
}
