import type { GivenChange, Reading } from '../../domain/ports/verdict-history.ts';
import type { BudgetReport, BudgetState, ReportEntry } from '../../report/report.ts';
import { sliText } from '../../report/sli-text.ts';
import { ScrollRegion } from './elements.tsx';
import { linkTo, type PageContext } from './page-context.ts';
import { grouped, momentText, ratioText, shareText, shortReason } from './page-text.ts';
import { pathOfRelease } from './release-path.ts';

export interface ReportView {
  readonly report: BudgetReport;
  /** Failed verdicts of the last days, newest first. */
  readonly blocked: Reading<readonly GivenChange[]>;
  readonly blockedDays: number;
  /** CUJs that are not shown: each costs calls to the backend. */
  readonly omitted: number;
}

const headings: Readonly<Record<BudgetState, string>> = {
  due: 'Action due',
  unknown: 'Unknown',
  fine: 'Nothing to do',
};

/** What `cuj-gate report` prints, for the SLO meeting. */
export function ReportPage({ context, view }: { context: PageContext; view: ReportView }) {
  const { report, blocked, blockedDays, omitted } = view;
  return (
    <>
      <h1>Error budgets</h1>
      <p class="note">
        As of {momentText(Date.parse(report.at))}.
        {omitted > 0 && (
          <> {grouped(omitted)} more CUJs, of lower tiers, are in the output of cuj-gate report.</>
        )}
      </p>
      {(['due', 'unknown', 'fine'] as const).map((state) => {
        const entries = report.cujs.filter((entry) => entry.state === state);
        return entries.length === 0 ? null : (
          <section key={state} aria-labelledby={`state-${state}`}>
            <h2 id={`state-${state}`}>
              {headings[state]} ({entries.length})
            </h2>
            <Entries context={context} entries={entries} state={state} />
          </section>
        );
      })}
      <section aria-labelledby="blocked">
        <h2 id="blocked">Releases that were stopped, last {blockedDays} days</h2>
        <Blocked context={context} blocked={blocked} />
      </section>
    </>
  );
}

function Entries({
  context,
  entries,
  state,
}: {
  context: PageContext;
  entries: readonly ReportEntry[];
  state: BudgetState;
}) {
  return (
    <ScrollRegion label={headings[state]}>
      <table class="stack">
        <thead>
          <tr>
            <th scope="col">CUJ</th>
            <th scope="col">Owner</th>
            <th scope="col">Tier</th>
            <th scope="col">Left</th>
            <th scope="col">SLOs</th>
            {state === 'due' && <th scope="col">Agreed</th>}
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.cuj}>
              <th scope="row">
                <a href={linkTo(context, `/cujs/${encodeURIComponent(entry.cuj)}`)}>
                  {entry.title ?? entry.cuj}
                </a>
              </th>
              <td>{entry.owner}</td>
              <td>{entry.tier}</td>
              <td>
                <BudgetBar remaining={entry.remaining} isLow={entry.state === 'due'} />
              </td>
              <td>
                {entry.slis.map((sli) => (
                  <div key={sli.sli}>{sliText(sli, entry.window)}</div>
                ))}
              </td>
              {state === 'due' && (
                <td>
                  {entry.due.map(({ action, below, gate }) => (
                    <div key={action}>
                      <strong>{action}</strong> (agreed below {ratioText(below)})
                      {gate !== null && <>. Rollouts are judged by the rule {gate} until then.</>}
                    </div>
                  ))}
                  {entry.due.length === 0 && (
                    <strong>
                      Agree on an action: the budget is overspent, and there is no errorBudgetPolicy.
                    </strong>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

const barWidth = 80;

/** What is left of an error budget, as a bar with its number. */
export function BudgetBar({ remaining, isLow = false }: { remaining: number | null; isLow?: boolean }) {
  if (remaining === null) return <>unknown</>;
  const width = Math.round(Math.max(0, Math.min(1, remaining)) * barWidth);
  return (
    <span class={`budget ${remaining < 0 ? 'overspent' : isLow ? 'low' : ''}`}>
      <svg width={barWidth} height="10" viewBox={`0 0 ${barWidth} 10`} aria-hidden="true">
        <rect class="all" width={barWidth} height="10" rx="2" />
        <rect class="left" width={remaining < 0 ? barWidth : width} height="10" rx="2" />
      </svg>{' '}
      {shareText(Math.max(-9.99, remaining))}
    </span>
  );
}

function Blocked({ context, blocked }: { context: PageContext; blocked: ReportView['blocked'] }) {
  if (!blocked.available) return <p class="note">Not known: {blocked.unavailable}.</p>;
  if (blocked.value.length === 0) return <p class="note">None.</p>;
  return (
    <ScrollRegion label="Releases that were stopped">
      <table class="stack">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">CUJ or service</th>
            <th scope="col">Canary</th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {blocked.value.map((one) => (
            <tr key={one.id}>
              <td>{momentText(one.atMs)}</td>
              <th scope="row">
                <a
                  href={linkTo(
                    context,
                    `${pathOfRelease(one)}${pathOfRelease(one).includes('?') ? '&' : '?'}at=${new Date(one.atMs + 1_000).toISOString()}`,
                  )}
                >
                  {one.about.name}
                </a>
              </th>
              <td>
                <code>{one.canary}</code>
              </td>
              <td>{shortReason(one)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}
