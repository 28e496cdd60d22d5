/** Public names that were changed since version 0.1.0: the table of CHANGELOG.md for programs. A test compares both. */
export interface RenamedName {
  readonly kind:
    | 'metric'
    | 'log message'
    | 'span of a trace'
    | 'JSON field of a verdict'
    | 'field of a record';
  readonly old: string;
  /** Undefined where nothing took its place. */
  readonly now: string | undefined;
}

const named = (kind: RenamedName['kind'], names: readonly (readonly [string, string | undefined])[]) =>
  names.map(([old, now]): RenamedName => ({ kind, old, now }));

export const renamedNames: readonly RenamedName[] = [
  ...named('metric', [['cuj_gate_inflight_questions', 'cuj_gate_inflight_requests']]),
  ...named('log message', [
    ['registry refused, the old one goes on', 'registry reload failed; keeping previous version'],
    ['credentials refused, the old ones go on', 'credentials reload failed; keeping previous version'],
    ['the certificate has expired', 'TLS certificate has expired'],
    ['Datadog gives no answer', 'Datadog query failed'],
    ['Datadog answers again', 'Datadog queries succeed again'],
    [
      'Datadog rejects the gate: no verdict is possible',
      'the metrics backend rejected a query or its credentials: no verdict is possible',
    ],
    [
      "clock differs from Datadog's: no verdict is possible",
      "clock differs from Datadog's; no verdicts possible",
    ],
    ['keys of the issuer fetched', 'issuer keys fetched'],
    ['keys of the issuer cannot be fetched', 'issuer keys fetch failed'],
    ['shared cache in use', 'shared cache connected'],
    ['shared cache lost, the gate goes on without it', 'shared cache connection lost; continuing without it'],
    ['an answer could not be shared', 'shared cache write failed'],
    ['traces cannot be handed over', 'trace export failed'],
    [
      'traces are handed over by OTLP/HTTP, not by gRPC as configured',
      'OTLP over gRPC is not supported; exporting traces over HTTP',
    ],
    ['error budget not known', 'error budget unknown'],
    ['error budgets could not be refreshed', 'error budget refresh failed'],
    ['whoever reaches this port may ask: ', 'no authentication configured: '],
    ['a question failed after its deadline', 'request failed after its deadline'],
  ]),
  ...named('span of a trace', [['ask Datadog', 'query Datadog']]),
  ...named('JSON field of a verdict', [
    ['silence', 'noDataCause'],
    ['observed', 'wouldBe'],
    ['upperBound', 'rulesOutRate'],
    ['statusGap', 'missingStatus'],
    ['evidenceToFail', 'evidenceThreshold'],
    ['neitherLately', 'unmatchedRecently'],
    ['badMinutes', undefined],
  ]),
  ...named('field of a record', [
    ['neither', 'unmatched'],
    ['both', 'overlapping'],
  ]),
];
