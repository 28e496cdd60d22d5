import type { JudgeOptions, Verdict } from '../../domain/judge/judge.ts';
import type { SliVerdict } from '../../domain/judge/judge-sli.ts';
import { passBoundsOf } from '../../domain/judge/pass-bounds.ts';
import { rules } from '../../domain/judge/rules/table.ts';
import type { Measurement, SentQuery } from '../../domain/metrics/metrics-source.ts';
import { trafficInWindow } from '../../domain/metrics/traffic-in-window.ts';
import type { SourceLink } from '../../domain/ports/source-links.ts';
import type { GivenLook } from '../../domain/ports/verdict-history.ts';
import { type Cuj, defaultMinFaultMs, type GatePolicy } from '../../domain/registry/model.ts';
import { sliKinds } from '../../domain/sli/table.ts';
import { CountsChart } from './charts/counts-chart.tsx';
import { EvidenceChart } from './charts/evidence-chart.tsx';
import { RuledOutChart } from './charts/ruled-out-chart.tsx';
import { TimelineChart } from './charts/timeline-chart.tsx';
import { Command, Fact, Runbook, ScrollRegion } from './elements.tsx';
import { stableInWindow, timelineOf } from './minutes.ts';
import { nextStepsOf } from './next-steps.ts';
import { linkTo, type PageContext } from './page-context.ts';
import {
  aheadText,
  clockText,
  grouped,
  isUnknownCanary,
  objectiveText,
  outcomeWords,
  perMinute,
  ratioText,
  sentenceOf,
  spanText,
  stableText,
  surenessText,
  valueText,
  worstText,
} from './page-text.ts';
import { PastNote, type PastView } from './past-note.tsx';
import { Siblings, type SiblingsView } from './siblings.tsx';
import { StepCommands } from './step-commands.tsx';
import { type TrendPoint, trendOfSli } from './verdict-trend.ts';

/** What the page of one verdict shows. */
export interface VerdictView {
  readonly cuj: Cuj;
  readonly verdict: Verdict;
  readonly options: JudgeOptions;
  /** Absent where nothing was measured. */
  readonly measurement?: Measurement;
  readonly trend: readonly TrendPoint[];
  /** Answers that callers got about this release; a sentence where they are not known. */
  readonly looks: readonly GivenLook[] | string;
  readonly queries: readonly SentQuery[];
  readonly links: readonly SourceLink[];
  /** The same question about now, for curl, absolute; and its page. */
  readonly question: string;
  readonly nowPath: string;
  /** The page of all CUJs of the service, with the same canary. */
  readonly servicePath: string;
  readonly siblings: SiblingsView;
  /** Set where the CUJ was asked for by an alias. */
  readonly aliasNote?: string;
  /** This moment's link; undefined where it would not show the same. */
  readonly permalink: string | undefined;
  /** Set where this is not the verdict of now. */
  readonly past?: PastView;
}

export function VerdictPage({ context, view }: { context: PageContext; view: VerdictView }) {
  const { verdict, past } = view;
  const policy = policyOf(view);
  return (
    <>
      <Siblings context={context} siblings={view.siblings} />
      <Headline context={context} view={view} policy={policy} />
      {past !== undefined && <PastNote past={past} nowHref={linkTo(context, view.nowPath)} />}
      <Steps context={context} view={view} />
      {verdict.slis.map((sli) => (
        <SliSection key={sli.sli} sli={sli} view={view} policy={policy} />
      ))}
      <Details context={context} view={view} policy={policy} />
    </>
  );
}

function policyOf({ cuj, options }: VerdictView): GatePolicy {
  return options.budgetRule === undefined ? cuj.gate : { ...cuj.gate, rule: options.budgetRule.rule };
}

/** The title of the page, and of the browser's tab. */
export function verdictTitle({ verdict, cuj }: Pick<VerdictView, 'verdict' | 'cuj'>): string {
  return `${outcomeWords[verdict.verdict]} ${cuj.title ?? cuj.name}, ${verdict.canary}`;
}

function Headline({
  context,
  view,
  policy,
}: {
  context: PageContext;
  view: VerdictView;
  policy: GatePolicy;
}) {
  const { verdict, cuj } = view;
  const worst = worstOf(view);
  return (
    <section class={`headline ${verdict.verdict}`} aria-labelledby="headline">
      <h1 id="headline">
        <span class="outcome">{outcomeWords[verdict.verdict]}</span>{' '}
        <a href={linkTo(context, `/cujs/${encodeURIComponent(cuj.name)}`)}>{cuj.title ?? cuj.name}</a>
      </h1>
      <p class="release">
        <a href={linkTo(context, view.servicePath)}>{verdict.services.join(', ')}</a>, canary{' '}
        <code>{verdict.canary}</code> beside stable ({stableText(verdict.stable)})
      </p>
      <p class="sentence">{sentenceOf(verdict, policy)}</p>
      {worst !== undefined && <p class="worst">{worst}</p>}
      {view.aliasNote !== undefined && <p class="note">{view.aliasNote}</p>}
      {verdict.mode === 'observe' && (
        <p>This CUJ is in mode observe: it reports, and never stops a rollout.</p>
      )}
    </section>
  );
}

/** The endpoint that stands out, beside stable in the same minutes. */
function worstOf({ verdict, measurement }: VerdictView): string | undefined {
  const [sli] = verdict.slis;
  const text = sli === undefined ? undefined : worstText(sli);
  const endpoint = sli?.endpoints[0];
  if (text === undefined || sli === undefined || endpoint === undefined) return undefined;
  if (measurement === undefined || verdict.window === undefined) return text;
  const stable = stableInWindow(measurement, sli.sli, endpoint, Date.parse(verdict.window.from));
  return `${text} Stable, in the same minutes: ${grouped(stable.bad)} of ${grouped(stable.total)}.`;
}

/** Their hint is for readers of the JSON: the page says the same in its own words. */
const decidedByTraffic: ReadonlySet<string> = new Set([
  'within_slo',
  'not_worse_than_stable',
  'limited_evidence',
  'insufficient_traffic',
  'within_noise',
  'slo_violated',
  'worse_than_stable',
  'observe_only',
]);

function Steps({ context, view }: { context: PageContext; view: VerdictView }) {
  const { verdict, links, question, past, siblings } = view;
  const steps = nextStepsOf(verdict.wouldBe ?? verdict, {
    service: verdict.services[0] ?? '',
    question,
    isPast: past !== undefined,
    onlyReports: verdict.mode === 'observe',
    failsElsewhere: siblings.failing.length > 0,
    isUnknown: isUnknownCanary(verdict),
  });
  return (
    <section aria-labelledby="steps">
      <h2 id="steps">What to do {past === undefined ? 'now' : 'about it'}</h2>
      <p>{steps.explanation}</p>
      {!decidedByTraffic.has(verdict.reason) && <p class="hint">{verdict.hint}</p>}
      <dl class="facts">
        <Fact label="Owner">{verdict.owner}</Fact>
        {verdict.runbook !== undefined && (
          <Fact label="Runbook">
            <Runbook text={verdict.runbook} />
          </Fact>
        )}
        <Fact label="Look at">
          <ul class="links">
            <li>
              <a href={linkTo(context, view.servicePath)}>All CUJs of {verdict.services[0]}, same canary</a>
            </li>
            {links.map(({ label, url }) => (
              <li key={url}>
                <a href={url} rel="noreferrer">
                  {label}
                </a>
              </li>
            ))}
          </ul>
        </Fact>
      </dl>
      <StepCommands steps={steps} />
    </section>
  );
}

function SliSection({ sli, view, policy }: { sli: SliVerdict; view: VerdictView; policy: GatePolicy }) {
  const { measurement, verdict, trend, looks } = view;
  const id = `sli-${sli.sli}`;
  const { badWord, badVerb, events } = sliKinds[sli.sli];
  // Without a status, a failure looks like a success: no rate of good ones is known, and nothing is ruled out.
  const isBlind = sli.missingStatus !== undefined;
  const points = trendOfSli(trend, sli.sli);
  const { decidesBy } = rules[policy.rule];
  const objective = view.cuj.objectives[sli.sli];
  const windowFromMs = Date.parse(verdict.window?.from ?? '');
  const windowToMs = Date.parse(verdict.window?.to ?? '');
  const minutes =
    measurement === undefined || verdict.window === undefined
      ? []
      : timelineOf(measurement, sli.sli, windowFromMs);
  const given =
    typeof looks === 'string'
      ? []
      : looks
          .filter(({ atMs }) => view.past === undefined || atMs <= view.past.atMs)
          .flatMap(({ slis, dataUntilMs, atMs }) =>
            slis
              .filter((one) => one.cuj === view.cuj.name && one.sli === sli.sli)
              .map(({ evidence }) => ({ atMs: dataUntilMs ?? atMs, evidence })),
          );
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>
        {sliKinds[sli.sli].heading}
        <span class={`badge ${sli.verdict}`}>{outcomeWords[sli.verdict]}</span>
      </h2>
      {sli.total <= 0 ? (
        <p>The canary has no requests here.</p>
      ) : isBlind ? (
        <p>
          {grouped(sli.bad)} of {grouped(sli.total)} {events} are known to be bad
          {sli.failure !== undefined && <> by {sli.failure}</>}. Failures cannot be seen where {events} have
          no status, so nothing is known of the SLO of {objectiveText(sli.objective)}.
        </p>
      ) : (
        <p>
          {grouped(sli.bad)} of {grouped(sli.total)} {events} {badVerb}
          {sli.failure !== undefined && <> by {sli.failure}</>}
          {sli.value !== null && <> ({valueText(sli.value, sli.objective)} good</>}
          {sli.value !== null && <>, the SLO is {objectiveText(sli.objective)})</>}.{' '}
          {surenessText(sli, policy)}
        </p>
      )}
      {!isBlind && <Distance sli={sli} badVerb={badVerb} rate={perMinute(sli, verdict)} />}
      {!isBlind && decidesBy.evidence !== undefined && sli.total > 0 && points.length + given.length > 2 && (
        <EvidenceChart
          id={`${id}-evidence`}
          points={points.map(({ atMs, sli: one }) => ({
            atMs,
            evidence: decidesBy.evidence?.(one).value ?? 1,
          }))}
          given={policy.rule === 'confidence' ? given : []}
          threshold={sli.evidenceThreshold}
          expected={decidesBy.evidence(sli).expected}
          minFaultMs={policy.minFaultMs ?? defaultMinFaultMs}
        />
      )}
      {decidesBy.evidence === undefined && objective !== undefined && points.length > 0 && (
        <CountsChart
          id={`${id}-counts`}
          points={points.map(({ sli: { total, bad } }) => ({ total, bad }))}
          budget={objective.budget}
          minRequests={policy.minRequests}
          badVerb={badVerb}
        />
      )}
      {!isBlind &&
        decidesBy.evidence !== undefined &&
        objective !== undefined &&
        sli.total > 0 &&
        points.length > 2 && (
          <RuledOutChart
            id={`${id}-ruled-out`}
            points={points.map(({ atMs, sli: one }) => ({ atMs, rate: one.rulesOutRate }))}
            bounds={passBoundsOf(policy, objective)}
          />
        )}
      {minutes.length > 0 && (
        <>
          <TimelineChart
            id={`${id}-timeline`}
            minutes={minutes}
            fromMs={windowFromMs}
            toMs={windowToMs}
            badVerb={badVerb}
          />
          <details>
            <summary>The numbers by minute</summary>
            <MinuteTable minutes={minutes} badWord={badWord} />
          </details>
        </>
      )}
      <EndpointTable sli={sli} view={view} badWord={badWord} windowFromMs={windowFromMs} />
    </section>
  );
}

/** How far the verdict is from each border, in words. */
function Distance({
  sli,
  badVerb,
  rate,
}: {
  sli: SliVerdict;
  badVerb: string;
  /** The canary's requests in a minute. */
  rate: number | undefined;
}) {
  const ahead = aheadText(sli, rate);
  const parts = [
    ...(sli.verdict !== 'fail' && sli.failAtBadEvents !== null
      ? [
          `At this traffic it fails at ${grouped(sli.failAtBadEvents)} ${sliKinds[sli.sli].events} that ${badVerb}.`,
        ]
      : []),
    ...(ahead === undefined ? [] : [ahead]),
    ...(sli.total > 0 && sli.verdict !== 'fail'
      ? [`Failure rates above ${ratioText(sli.rulesOutRate)} are ruled out (95%).`]
      : []),
  ];
  return parts.length === 0 ? null : <p>{parts.join(' ')}</p>;
}

function MinuteTable({ minutes, badWord }: { minutes: ReturnType<typeof timelineOf>; badWord: string }) {
  return (
    <ScrollRegion label="Numbers by minute">
      <table>
        <thead>
          <tr>
            <th scope="col">Minute</th>
            <th scope="col">Canary, {badWord}</th>
            <th scope="col">Canary, all</th>
            <th scope="col">Stable, {badWord}</th>
            <th scope="col">Stable, all</th>
          </tr>
        </thead>
        <tbody>
          {[...minutes].reverse().map(({ atMs, canary, stable }) => (
            <tr key={atMs}>
              <th scope="row">{clockText(atMs).slice(0, 5)}</th>
              <td>{grouped(canary.bad)}</td>
              <td>{grouped(canary.total)}</td>
              <td>{grouped(stable.bad)}</td>
              <td>{grouped(stable.total)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

/** More would make a page that nobody reads. The JSON has all of them. */
const maxEndpoints = 100;

function EndpointTable({
  sli,
  view: { measurement },
  badWord,
  windowFromMs,
}: {
  sli: SliVerdict;
  view: VerdictView;
  badWord: string;
  windowFromMs: number;
}) {
  const { endpoints, unreached = [] } = sli;
  if (endpoints.length === 0) return null;
  const shown = endpoints.slice(0, maxEndpoints);
  const withLatency = endpoints.some(({ latencyMs }) => latencyMs !== undefined);
  const missed = new Map(unreached.map((one) => [`${one.service} ${one.endpoint}`, one.predicted]));
  return (
    <>
      <h3>Endpoints, worst first</h3>
      <ScrollRegion label={`Endpoints, ${sli.sli}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">Endpoint</th>
              <th scope="col">Canary, {badWord}</th>
              <th scope="col">Stable in the same minutes</th>
              <th scope="col">Chance if healthy</th>
              <th scope="col">Failures that alone abort</th>
              {withLatency && <th scope="col">Threshold</th>}
            </tr>
          </thead>
          <tbody>
            {shown.map((one) => {
              const stable =
                measurement === undefined
                  ? undefined
                  : stableInWindow(measurement, sli.sli, one, windowFromMs);
              const predicted = missed.get(`${one.service} ${one.endpoint}`);
              return (
                <tr key={`${one.service} ${one.resource}`}>
                  <th scope="row">
                    <code>{one.endpoint === '*' ? `all of ${one.service}` : one.endpoint}</code>{' '}
                    {one.endpoint !== '*' && <small>{one.service}</small>}
                  </th>
                  <td>
                    {grouped(one.bad)} of {grouped(one.total)}
                    {predicted !== undefined && (
                      <strong>, not reached: about {grouped(predicted)} requests were expected</strong>
                    )}
                  </td>
                  <td>
                    {stable === undefined ? 'unknown' : `${grouped(stable.bad)} of ${grouped(stable.total)}`}
                  </td>
                  <td>
                    {one.evidence >= 2 ? `1 in ${grouped(Math.floor(Math.min(one.evidence, 1e6)))}` : 'usual'}
                  </td>
                  <td>
                    {one.failAtBadEvents === null ? 'too few requests yet' : grouped(one.failAtBadEvents)}
                  </td>
                  {withLatency && <td>{one.latencyMs === undefined ? '' : `${one.latencyMs} ms`}</td>}
                </tr>
              );
            })}
          </tbody>
        </table>
      </ScrollRegion>
      {endpoints.length > shown.length && (
        <p class="note">{grouped(endpoints.length - shown.length)} more endpoints are in the JSON.</p>
      )}
    </>
  );
}

const windowStarts: Readonly<Record<string, string>> = {
  first_hit: "with the canary's first request",
  after_gap: "with the canary's first request after it was silent",
  max_window: 'as far back as the gate looks (maxWindow)',
  since: 'when the caller says the rollout began',
  fixed: 'a fixed span',
};

function Details({ context, view, policy }: { context: PageContext; view: VerdictView; policy: GatePolicy }) {
  const { verdict, cuj, queries, question, permalink, options, looks } = view;
  const { window } = verdict;
  const share =
    view.measurement === undefined || window === undefined
      ? undefined
      : trafficInWindow(view.measurement, Date.parse(window.from));
  const requests = share === undefined ? 0 : share.canary + share.stable;
  return (
    <section aria-labelledby="details">
      <h2 id="details">Details</h2>
      <dl class="facts">
        {window !== undefined && (
          <Fact label="Window">
            {clockText(Date.parse(window.from))} to {clockText(Date.parse(window.to))} (
            {spanText(window.seconds * 1000)}), beginning {windowStarts[window.start] ?? window.start}
            {window.incompleteSeconds !== undefined && (
              <>
                ; the newest {window.incompleteSeconds} s are left out, because their counts have not arrived
              </>
            )}
          </Fact>
        )}
        {share !== undefined && requests > 0 && (
          <Fact label="Traffic">
            {ratioText(share.canary / requests)} of the services' requests in the window went to the canary (
            {grouped(share.canary)} of {grouped(requests)})
          </Fact>
        )}
        <Fact label="Rule">
          {policy.rule}
          {options.budgetRule !== undefined && (
            <>, set by the error budget policy: {options.budgetRule.because}</>
          )}
          {options.budgetNote !== undefined && <>; {options.budgetNote}</>}
        </Fact>
        <Fact label="Reason">
          <code>{verdict.reason}</code>
        </Fact>
        <Fact label="Answer to the controller">
          <code>{verdict.summary}</code>
        </Fact>
        <Fact label="Tier">{cuj.tier}</Fact>
        <Fact label="JSON">
          <Command>curl {quotedUrl(question)}</Command>
        </Fact>
        {permalink !== undefined && (
          <Fact label="Link to this moment">
            <a href={linkTo(context, permalink)}>{permalink}</a>
          </Fact>
        )}
        <Fact label="Registry">
          <code>{verdict.registry}</code>
          {verdict.registry !== context.registry?.digest && ' (the registry has changed since)'}
        </Fact>
        <Fact label="Answers so far">
          {typeof looks === 'string' ? (
            looks
          ) : looks.length === 0 ? (
            'None: only browsers asked.'
          ) : (
            <Looks looks={looks} untilMs={view.past?.atMs} />
          )}
        </Fact>
      </dl>
      {queries.length > 0 && (
        <details>
          <summary>The queries that were sent</summary>
          <dl class="queries">
            {queries.map(({ name, query }) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>
                  <code>{query}</code>
                </dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </section>
  );
}

function quotedUrl(url: string): string {
  return `'${url.replaceAll("'", '%27')}'`;
}

const shownLooks = 12;

function Looks({ looks, untilMs }: { looks: readonly GivenLook[]; untilMs: number | undefined }) {
  const until = untilMs === undefined ? looks : looks.filter(({ atMs }) => atMs <= untilMs);
  const later = looks.length - until.length;
  const last = looks.at(-1);
  return (
    <>
      <ol class="looks">
        {[...until]
          .reverse()
          .slice(0, shownLooks)
          .map((look) => (
            <Look key={look.atMs} look={look} />
          ))}
      </ol>
      {until.length > shownLooks && <p class="note">and {grouped(until.length - shownLooks)} before them</p>}
      {later > 0 && last !== undefined && (
        <div class="looks">
          Later: <Look look={last} />
        </div>
      )}
    </>
  );
}

function Look({ look: { atMs, verdict, reason, times } }: { look: GivenLook }) {
  return (
    <li>
      {clockText(atMs)} <span class={`badge ${verdict}`}>{outcomeWords[verdict]}</span> {reason}
      {times > 1 && ` (${grouped(times)} times)`}
    </li>
  );
}
