import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { LayoutChanged, trimSerializer } from '../../src/bundle/trim-serializer.ts';
import { usedApis } from '../../src/bundle/used-apis.ts';
import {
  adapterSources,
  type Call,
  type Client,
  callOf,
  clientTrimmedFor,
  fullClient,
  observe,
  recordings,
} from './clients.ts';

const apis = '@datadog/datadog-api-client/dist/packages/datadog-api-client-';
/** A program that makes every call that was recorded. */
const everyCall = `
import '${apis}v1/apis/MetricsApi.js'; import '${apis}v1/apis/ServiceLevelObjectivesApi.js';
import '${apis}v1/apis/AuthenticationApi.js'; import '${apis}v2/apis/MetricsApi.js';
api.queryMetrics(a); api.createSLO(b); api.deleteSLO(c); api.getSLOHistory(d); api.validate();
api.queryScalarData(e); api.queryTimeseriesData(f);`;

const rows = recordings().map((exchange) => ({ exchange, call: callOf(exchange) }));
/** No recording upstream has a grouped answer with rows: these two are written by hand after the client's models. */
const grouped = [
  {
    operation: 'queryScalarData',
    answer: {
      data: {
        type: 'scalar_response',
        attributes: {
          columns: [
            { type: 'group', name: 'resource_name', values: [['post_/api/v1/login'], ['get_/api/v1/me']] },
            {
              type: 'number',
              name: 'hits',
              values: [1200, null],
              meta: {
                unit: [
                  { family: 'general', id: 1, name: 'hit', plural: 'hits', scale_factor: 1, short_name: 'h' },
                  null,
                ],
              },
            },
          ],
        },
      },
    },
  },
  {
    operation: 'queryTimeseriesData',
    answer: {
      data: {
        type: 'timeseries_response',
        attributes: {
          times: [1_700_000_040_000, 1_700_000_100_000],
          series: [
            {
              group_tags: ['resource_name:post_/api/v1/login', 'service:pairs-api'],
              query_index: 0,
              unit: null,
            },
            {
              group_tags: ['resource_name:get_/api/v1/me', 'service:pairs-api'],
              query_index: 1,
              unit: [{ id: 1 }, null],
            },
          ],
          values: [
            [12, null],
            [null, 3.5],
          ],
        },
      },
    },
  },
];

let full: Client;
let trimmed: Client;
let product: Client;
beforeAll(async () => {
  full = fullClient();
  [trimmed, product] = await Promise.all([clientTrimmedFor([everyCall]), clientTrimmedFor(adapterSources())]);
}, 60_000);

/** The trimmed clients that hold this call: the product's own holds what the adapter calls. */
function clientsWith({ api, operation }: Call): Client[] {
  const inProduct =
    adapterSources().some((text) => text.includes(`.${operation}(`)) && product[api] !== undefined;
  return inProduct ? [trimmed, product] : [trimmed];
}

async function expectAgreement(call: Call, answer: { status: number; contentType: string; text: string }) {
  const expected = await observe(full, call, answer);
  for (const client of clientsWith(call)) expect(await observe(client, call, answer)).toEqual(expected);
  return expected;
}

describe('the trimmed client', () => {
  it.each(rows.map((row) => [`${row.exchange.file}: ${row.call.operation}`, row] as const))(
    'sends and reads as the whole one does: %s',
    async (_, { exchange: { request, response }, call }) => {
      const contentType = response.headers['content-type'] ?? 'application/json';
      const seen = await expectAgreement(call, {
        status: response.status,
        contentType,
        text: JSON.stringify(response.body),
      });
      // A call that fails before it is sent would agree with anything.
      if (response.status < 300) expect(seen).toMatchObject({ sent: { method: request.method }, value: {} });
    },
  );

  it('holds every operation that the adapter calls, and those were compared', () => {
    const called = rows.filter(({ call }) => clientsWith(call).includes(product));
    expect(new Set(called.map(({ call }) => call.operation))).toContain('queryTimeseriesData');
  });

  const answers = [
    ...rows.map(({ call, exchange: { response } }) => ({
      call,
      status: response.status,
      body: response.body,
    })),
    ...grouped.map(({ operation, answer }) => {
      const call = rows.find((row) => row.call.operation === operation)?.call as Call;
      return { call, status: 200, body: answer };
    }),
  ];
  const words = [
    '',
    'x',
    'ok',
    'group',
    'number',
    'scalar_response',
    'timeseries_response',
    'metric',
    '7d',
    'sum',
    'NaN',
  ];
  const anything = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(...words));
  const spoil = fc.record({
    at: fc.nat(),
    what: fc.oneof(
      fc.constant({ kind: 'delete' as const }),
      fc.record({ kind: fc.constant('replace' as const), value: anything }),
      fc.record({
        kind: fc.constant('add' as const),
        key: fc.constantFrom('errors', 'extra', 'data', 'type'),
        value: anything,
      }),
    ),
  });
  type Spoil = typeof spoil extends fc.Arbitrary<infer S> ? S : never;

  it('reads every spoiled answer as the whole one does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...answers),
        fc.array(spoil, { maxLength: 4 }),
        fc.constantFrom(undefined, 400, 403, 429, 500),
        async ({ call, status, body }, spoils, otherStatus) => {
          const text = JSON.stringify(spoils.reduce(spoiled, body as unknown));
          await expectAgreement(call, {
            status: otherStatus ?? status,
            contentType: 'application/json',
            text: text ?? '',
          });
        },
      ),
      { numRuns: 400, seed: 20_260 },
    );
  });

  it('reads what is not JSON, or cut off, as the whole one does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...answers),
        fc.nat(),
        fc.constantFrom('application/json', 'text/html', 'text/json', 'application/octet-stream', ''),
        fc.boolean(),
        async ({ call, status, body }, at, contentType, page) => {
          const whole = page ? '<html><body>Bad gateway</body></html>' : JSON.stringify(body);
          await expectAgreement(call, { status, contentType, text: whole.slice(0, at % (whole.length + 1)) });
        },
      ),
      { numRuns: 150, seed: 20_261 },
    );
  });

  it('writes, or refuses to write, every spoiled request as the whole one does', async () => {
    const calls = rows.map(({ call }) => call).filter(({ param }) => 'body' in param);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...calls), fc.array(spoil, { maxLength: 3 }), async (call, spoils) => {
        const body = spoils.reduce(spoiled, call.param.body);
        await expectAgreement(
          { ...call, param: { body } },
          { status: 200, contentType: 'application/json', text: '{}' },
        );
      }),
      { numRuns: 300, seed: 20_262 },
    );
  });

  /** One change somewhere in a JSON value, on a copy. */
  function spoiled(value: unknown, { at, what }: Spoil): unknown {
    const copy = structuredClone(value);
    const places: [Record<string, unknown>, string][] = [];
    const collect = (inner: unknown): void => {
      if (typeof inner !== 'object' || inner === null) return;
      for (const [key, child] of Object.entries(inner)) {
        places.push([inner as Record<string, unknown>, key]);
        // The first few of long lists are as good as all of them.
        if (places.length < 400) collect(child);
      }
    };
    collect(copy);
    const [parent, key] = places[at % Math.max(1, places.length)] ?? [];
    if (parent === undefined || key === undefined) return what.kind === 'replace' ? what.value : copy;
    if (what.kind === 'replace') parent[key] = what.value;
    else if (what.kind === 'add') parent[what.key] = what.value;
    else if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else delete parent[key];
    return copy;
  }
});

describe('a client that is laid out differently', () => {
  const good = [
    '"use strict";',
    'const Point_1 = require("./Point");',
    'const util_1 = require("../../datadog-api-client-common/util");',
    'const enumsMap = {\n    Kind: ["a"],\n};',
    'const typeMap = {\n    Point: Point_1.Point,\n};',
    'const oneOfMap = {\n    Any: ["Point"],\n};',
    'class ObjectSerializer {\n}',
    '',
  ].join('\n');
  const file = '/nowhere/models/ObjectSerializer.js';

  it.each<[string, (text: string) => string, RegExp]>([
    ['a table is renamed', (text) => text.replace('enumsMap', 'enums'), /no single table enumsMap/],
    [
      'a table is there twice',
      (text) => text.replace('class', 'const typeMap = {\n};\nclass'),
      /no single table typeMap/,
    ],
    [
      'a table moves behind the class',
      (text) => text.replace('const oneOfMap', 'f();\nconst oneOfMap'),
      /do not follow/,
    ],
    [
      'a type is not a member of an import',
      (text) => text.replace('Point_1.Point', 'load("Point")'),
      /typeMap holds the line/,
    ],
    [
      'the models are imported otherwise',
      (text) => text.replace('"./Point"', '"./all/Point"'),
      /imports no models/,
    ],
    [
      'the class is gone',
      (text) => text.replace('class ObjectSerializer', 'function serialize()'),
      /the class does not follow/,
    ],
  ])('stops the build where %s', (_, change, message) => {
    expect(() => trimSerializer(change(good), file, ['Kind'])).toThrow(message);
    expect(() => trimSerializer(change(good), file, ['Kind'])).toThrow(LayoutChanged);
    expect(trimSerializer(good, file, ['Kind']).models).toEqual([]);
  });

  it('stops the build where an operation needs a type that no table has', () => {
    expect(() => trimSerializer(good, file, ['Array<Circle>'])).toThrow(
      /Array<Circle>, which is in no table/,
    );
  });

  const api = (body: string) =>
    `\nclass XApiRequestFactory {\n    query(body) {\n${body}\n    }\n}\n\nclass XApiResponseProcessor {\n    query(response) {\n    }\n}\n`;

  it('stops the build where an API is imported and nothing of it is called', () => {
    expect(() => usedApis([`import '${apis}v2/apis/XApi.js'`], () => api(''))).toThrow(
      /none of its operations/,
    );
    expect(usedApis([`import '${apis}v2/apis/XApi.js'; api.query(1)`], () => api(''))).toEqual([
      { version: 'v2', api: 'XApi', operations: ['query'] },
    ]);
  });
});
