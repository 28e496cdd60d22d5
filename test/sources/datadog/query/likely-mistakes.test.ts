import { describe, expect, it } from 'vitest';
import { likelyMistakesOf } from '../../../../src/sources/datadog/query/likely-mistakes.ts';
import { servingOperations } from '../../../../src/sources/datadog/query/tracer-operations.ts';

const ofOperation = (operation: string) =>
  likelyMistakesOf({ source: 'trace', operation, canary: ['version'], stable: [] }).map(
    ({ rule, actual }) => [rule, actual],
  );
const ofTag = (key: string, operation: string | undefined = 'http.request') =>
  likelyMistakesOf({ source: 'trace', operation, canary: [key], stable: [key] });

describe('an operation', () => {
  it.each([
    'grpc',
    'grpc.server',
    'grpc.request',
    'grpc.server.request',
    'graphql.execute',
    'graphql.request',
  ])('whose failures are no 5XX: %s', (operation) => {
    expect(ofOperation(operation)).toEqual([['no-http-status', { kind: 'no-status', ofProtocol: true }]]);
  });

  it.each([
    ['htp.request', 'http.request'],
    ['http.requests', 'http.request'],
    ['expres.request', 'express.request'],
    ['djnago.request', 'django.request'],
    ['servelet.request', 'servlet.request'],
    ['aspnetcore.request', 'aspnet_core.request'],
    ['rack.requst', 'rack.request'],
  ])('that is misspelt: %s', (operation, meant) => {
    expect(ofOperation(operation)).toEqual([['operation-misspelt', { kind: 'operation', operation: meant }]]);
  });

  it.each([
    ['gin.request', 'http.request'],
    ['rails.request', 'rack.request'],
    ['spring-boot.request', 'servlet.request'],
    // By letters, these would be netty and next.
    ['jetty.request', 'servlet.request'],
    ['nest.request', 'express.request'],
  ])('that is called after its framework: %s', (operation, meant) => {
    expect(ofOperation(operation)).toEqual([
      ['operation-of-no-tracer', { kind: 'operation', operation: meant }],
    ]);
  });

  it.each(['postgres.query', 'redis.command', 'http.client.request', 'aws.request'])(
    'of calls that the service makes: %s',
    (operation) => {
      expect(ofOperation(operation)).toEqual([['operation-of-outgoing-calls', { kind: 'no-status' }]]);
    },
  );

  it.each([
    ...servingOperations,
    'acme.handle',
    'hono.request',
    'axum.request',
    'shop.query',
    'checkout.command',
    'grpcweb.request',
    'kong.request',
  ])('that a tracer sets, or an application may set: %s', (operation) => {
    expect(ofOperation(operation)).toEqual([]);
  });
});

describe('a tag of a selector', () => {
  it('that is a label of the pods is reported once, with what Datadog needs to have it', () => {
    const [traced, ...others] = ofTag('rollouts-pod-template-hash');
    expect(others).toEqual([]);
    expect(traced).toMatchObject({
      field: 'canary',
      rule: 'label-is-no-tag',
      fix: expect.stringMatching(/select by version:\{version\}.*podLabelsAsTags.*additional primary tag/),
    });
    const [other] = likelyMistakesOf({
      operation: undefined,
      source: 'mesh',
      canary: ['version'],
      stable: ['rollouts-pod-template-hash'],
    });
    expect(other).toMatchObject({ field: 'stable' });
    expect(other?.fix).not.toContain('primary tag');
  });

  it("is named, where the label is one of Datadog's own", () => {
    expect(ofTag('tags.datadoghq.com/version')[0]?.fix).toMatch(/^Select by version:/);
  });

  it.each(['version', 'role', 'pod_template_hash', 'hash'])('may be there: %s', (key) => {
    expect(ofTag(key)).toEqual([]);
  });
});
