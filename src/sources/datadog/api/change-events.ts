import { oneLine } from '../../../domain/outside-text.ts';
import type { EventSink, VerdictEvent } from '../../../domain/ports/verdict-events.ts';
import { normalizeTagValue } from '../query/tag-normalization.ts';
import type { DatadogConnection } from './connection.ts';
import { malformed, parseJson } from './timeseries-response.ts';

/**
 * Verdicts as change events: Datadog shows them on the pages of the services that they impact, and as overlays of dashboards.
 * Source: docs.datadoghq.com (API, "Post an event" v2; Change Tracking; "Getting started with tags").
 */

const maxTitle = 500;
const maxMessage = 4_000;
const maxName = 128;
/** Of a whole tag, with its key. */
const maxTag = 200;
const maxTags = 100;

/** Sends events through a connection to the intake, with one call for each. */
export function createEventSink(connection: DatadogConnection): EventSink {
  return {
    async send(event, signal) {
      const body = JSON.stringify(changeEvent(event));
      await connection.attempt(async (inner) => {
        const headers = { 'content-type': 'application/json' };
        const request = {
          method: 'POST',
          path: '/api/v2/events',
          headers,
          body,
          accepts: 'created',
        } as const;
        const answer = parseJson((await connection.send(request, inner)).text);
        // A proxy's page for people has the same status.
        if (typeof answer !== 'object' || answer === null)
          throw malformed('it does not say that the event was taken');
      }, signal);
    },
    close: () => connection.close(),
  };
}

/** The request's body. Pure. */
export function changeEvent(event: VerdictEvent): Record<string, unknown> {
  const { release, atMs, verdict, previous, isFinal, mode, reason, services, link } = event;
  const name = oneLine(`${event.about.name} ${event.canary}`);
  return {
    data: {
      type: 'event',
      attributes: {
        category: 'change',
        integration_id: 'custom-events',
        aggregation_key: `cuj-gate:${release}`,
        timestamp: new Date(atMs).toISOString(),
        title: cut(titleOf(event, name), maxTitle),
        message: cut(messageOf(event), maxMessage),
        tags: tagsOf(event),
        attributes: {
          author: { type: 'automation', name: 'cuj-gate' },
          // Datadog knows two types of changes, and a release is no feature flag.
          changed_resource: { type: 'configuration', name: cut(name, maxName) },
          impacted_resources: services
            .slice(0, maxTags)
            .map((service) => ({ type: 'service', name: cut(oneLine(service), maxName) })),
          ...(previous === undefined ? {} : { prev_value: { verdict: previous } }),
          new_value: { verdict, reason, final: isFinal, mode },
          change_metadata: {
            summary: oneLine(event.summary),
            canary: oneLine(event.canary),
            ...(link === undefined ? {} : { link }),
            ...(event.runbook === undefined ? {} : { runbook: oneLine(event.runbook) }),
          },
        },
      },
    },
  };
}

function titleOf({ verdict, previous, isFinal, mode }: VerdictEvent, name: string): string {
  const change = previous === undefined || previous === verdict ? verdict : `${previous} -> ${verdict}`;
  const notes = [...(isFinal ? ['final'] : []), ...(mode === 'observe' ? ['report-only'] : [])];
  return `[cuj-gate] ${name}: ${[change, ...notes].join(', ')}`;
}

function messageOf({ summary, hint, link, owners, runbook, mode, verdict }: VerdictEvent): string {
  return [
    oneLine(summary),
    ...(mode === 'observe' ? [`Report-only: it would be ${verdict}, and passes.`] : []),
    ...(hint === '' ? [] : [oneLine(hint)]),
    ...(link === undefined ? [] : [`Verdict: ${link}`]),
    ...(owners.length === 0 ? [] : [`Owner: ${owners.map(oneLine).join(', ')}`]),
    ...(runbook === undefined ? [] : [`Runbook: ${oneLine(runbook)}`]),
  ].join('\n\n');
}

function tagsOf({ about, services, envs, cujs, owners, ...event }: VerdictEvent): string[] {
  const { version } = about.params;
  const pairs: (readonly [key: string, value: string])[] = [
    ['managed-by', 'cuj-gate'],
    ['verdict', event.verdict],
    ...(event.previous === undefined ? [] : [['previous_verdict', event.previous] as const]),
    ['reason', event.reason],
    ['final', String(event.isFinal)],
    ['mode', event.mode],
    ['canary', event.canary],
    ...(version === undefined ? [] : [['version', version] as const]),
    ...(about.environment === undefined ? [] : [['cuj-environment', about.environment] as const]),
    ...envs.map((env) => ['env', env] as const),
    ...services.map((service) => ['service', service] as const),
    ...cujs.map((cuj) => ['cuj', cuj] as const),
    ...owners.map((owner) => ['team', owner] as const),
  ];
  return [...new Set(pairs.flatMap(([key, value]) => tag(key, value) ?? []))].slice(0, maxTags);
}

/** Undefined where nothing of the value can be stored. A comma would begin another tag. */
function tag(key: string, value: string): string | undefined {
  const text = normalizeTagValue(value);
  return text === '' ? undefined : cut(`${key}:${text}`, maxTag).replace(/_+$/, '');
}

/** At most so many UTF-16 units, without half a character at the end. */
function cut(text: string, max: number): string {
  return text.length <= max ? text : text.slice(0, max).replace(/[\ud800-\udbff]$/, '');
}
