import type { RequestIdentity } from '../datadog/store.ts';

/**
 * Names and labels as OpenTelemetry and Istio write them, and one counter of an application's own. A second implementation on purpose:
 * the gate's presets are not imported.
 */

export type Labels = Readonly<Record<string, string>>;

export const httpRequestsMetric = 'http_server_request_duration_seconds_count';
export const istioRequestsMetric = 'istio_requests_total';
export const graphqlRequestsMetric = 'graphql_requests_total';
export const gatewayName = 'istio-ingressgateway';

/** OpenTelemetry's, of a server. The application adds labels of its own as it sets tags on spans. */
export function httpLabels({ resource, version, statusCode, spanTags }: RequestIdentity): Labels {
  const space = resource.indexOf(' ');
  return {
    http_request_method: resource.slice(0, space),
    http_route: resource.slice(space + 1),
    ...(statusCode === undefined ? {} : { http_response_status_code: String(statusCode) }),
    service_version: version,
    ...spanTags,
  };
}

/** Of an application that answers GraphQL with the status 200 and counts its errors itself. */
export function graphqlLabels({ resource, version }: RequestIdentity, isError: boolean): Labels {
  return { operation: resource, outcome: isError ? 'error' : 'success', service_version: version };
}

/** Istio's, of the proxy of a caller or of a server. */
export function istioLabels(
  { service, version, statusCode = 200, grpcCode }: RequestIdentity,
  reporter: 'source' | 'destination',
): Labels {
  return {
    reporter,
    source_workload: gatewayName,
    destination_service_name: service,
    destination_workload: service,
    destination_version: version,
    request_protocol: grpcCode === undefined ? 'http' : 'grpc',
    response_code: String(statusCode),
    response_flags: '-',
    ...(grpcCode === undefined ? {} : { grpc_response_status: String(grpcCode) }),
  };
}
