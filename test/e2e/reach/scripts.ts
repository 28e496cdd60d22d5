/**
 * What a gate answers in a rollout, measurement by measurement: P passes, F fails, I is inconclusive, E is a 503, and N is an answer
 * without the summary that the templates select. The last letter repeats.
 */
export interface Script {
  readonly name: string;
  readonly what: string;
  /** Answers to the background analysis and to the inline analysis step, by CUJ; `P` where it is left out. */
  readonly watch?: Readonly<Record<string, string>>;
  readonly gate?: Readonly<Record<string, string>>;
  /** The pause before the gate and the bake; 8 s each where they are left out. */
  readonly pause?: string;
  readonly bake?: string;
}

/** The CUJs of {@link scriptedRegistry}. */
export const scriptedCujs = ['signup', 'login'] as const;

export const scriptedRegistry = `
apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 } }
services:
  member-api: { env: production, operation: http.request, canary: "version:{version}", stable: "version:{stable_version}" }
cujs:
  - { name: signup, owner: team, service: member-api, endpoints: [POST /api/v1/signup] }
  - { name: login, owner: team, service: member-api, endpoints: [POST /api/v1/login] }
`;

/** Of `generate`: five measurements at most, two passes in a row, three errors in a row end an analysis. */
export const scriptedTimes = [
  ...['--initial-delay', '4s', '--interval', '5s', '--count', '5', '--passes', '2'],
  ...['--watch-errors', '2', '--gate-errors', '2'],
];

export const scripts: readonly Script[] = [
  { name: 'passes', what: 'all measurements pass' },
  { name: 'fails-first', what: 'the gate fails at once', gate: { signup: 'F' } },
  { name: 'fails-third', what: 'the gate fails at the third measurement', gate: { signup: 'IIF' } },
  { name: 'never-passes', what: 'the gate is inconclusive until its limit', gate: { signup: 'I' } },
  { name: 'gate-is-away', what: 'errors until consecutiveErrorLimit', gate: { signup: 'E' } },
  { name: 'passes-late', what: 'the gate passes at the last possible time', gate: { signup: 'IIIPP' } },
  { name: 'no-two-passes', what: 'passes, but never two in a row', gate: { signup: 'PIPIP' } },
  { name: 'errors-between', what: 'an error between two passes', gate: { signup: 'PEPP' } },
  { name: 'retries', what: 'two errors in a row, then passes', gate: { signup: 'EEPP' } },
  { name: 'no-summary', what: 'an answer without a summary is an error', gate: { signup: 'NNPP' } },
  { name: 'watch-fails', what: 'the watch fails in the pause', watch: { signup: 'PPF' }, pause: '25s' },
  {
    name: 'watch-in-gate',
    what: 'the watch fails while the gate waits',
    watch: { login: 'IIIF' },
    gate: { signup: 'I' },
  },
  { name: 'watch-in-bake', what: 'the watch fails in the bake', watch: { signup: 'PPPPPF' }, bake: '25s' },
  {
    name: 'watch-is-away',
    what: 'the watch has errors until its limit',
    watch: { signup: 'PE' },
    bake: '25s',
  },
  {
    name: 'watch-undecided',
    what: 'a watch that is never sure stops nothing',
    watch: { signup: 'I', login: 'IEI' },
  },
  {
    name: 'two-cujs',
    what: 'one CUJ passes at once, the other one late',
    gate: { signup: 'PP', login: 'IIPP' },
  },
  { name: 'one-of-two', what: 'one CUJ passes, the other one never', gate: { signup: 'PP', login: 'I' } },
];
