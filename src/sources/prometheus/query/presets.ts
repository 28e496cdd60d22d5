import type { LabelMatcher } from './label-matchers.ts';

/** Sources that most installations can use as they are: `total: preset:istio`. */

interface Preset {
  readonly total: string;
  readonly bad: string;
  readonly groupBy?: string;
  readonly duration: string;
}

/**
 * Names and labels are those of the projects' documentation: istio.io ("Istio Standard Metrics"), linkerd.io ("Proxy Metrics"),
 * opentelemetry.io ("Semantic conventions for HTTP metrics") with the names that "Prometheus and OpenMetrics Compatibility"
 * makes of them.
 */
const presets: Readonly<Record<string, Preset>> = {
  // By the callers' proxies: they see requests that never reach a pod. Every request between two workloads counts once.
  istio: {
    total: 'istio_requests_total{reporter="source",destination_service_name="{service}"}',
    bad: 'istio_requests_total{reporter="source",destination_service_name="{service}",response_code=~"5.."}',
    duration:
      'istio_request_duration_milliseconds_bucket{reporter="source",destination_service_name="{service}"}',
  },
  linkerd: {
    total: 'response_total{direction="inbound",app="{service}"}',
    bad: 'response_total{direction="inbound",app="{service}",classification="failure"}',
    duration: 'response_latency_ms_bucket{direction="inbound",app="{service}"}',
  },
  opentelemetry: {
    total: 'http_server_request_duration_seconds_count{job="{service}"}',
    bad: 'http_server_request_duration_seconds_count{job="{service}",http_response_status_code=~"5.."}',
    groupBy: 'http_request_method/http_route',
    duration: 'http_server_request_duration_seconds_bucket{job="{service}"}',
  },
};

export const presetNames = Object.keys(presets);

/** The preset that a text of the registry names, such as `preset:istio`. */
export function presetOf(text: string): Preset | undefined {
  const name = /^\s*preset:([a-z]+)\s*$/.exec(text)?.[1];
  return name !== undefined && Object.hasOwn(presets, name) ? presets[name] : undefined;
}

/** How a counter of HTTP's statuses tells those of gRPC: its failures have the status 200 of HTTP. */
export interface GrpcStatus {
  readonly isGrpc: LabelMatcher;
  readonly isBad: LabelMatcher;
}

/** Istio's counter, however its selector is written. Statuses that are the server's fault: the same as `failure: grpc` means. */
export function grpcStatusOf(metric: string, told: readonly LabelMatcher[]): GrpcStatus | undefined {
  if (metric !== 'istio_requests_total' || !told.some(({ label }) => label === 'response_code'))
    return undefined;
  return {
    isGrpc: { label: 'request_protocol', operator: '=', value: 'grpc' },
    isBad: { label: 'grpc_response_status', operator: '=~', value: '2|4|12|13|14|15' },
  };
}
