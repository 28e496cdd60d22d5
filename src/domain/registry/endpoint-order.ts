import type { Endpoint } from './model.ts';

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** What an endpoint is called. */
export type EndpointName = Pick<Endpoint, 'service' | 'resource' | 'label'>;

/** An order of endpoints that depends on nothing but their names. */
export function compareEndpoints(a: EndpointName, b: EndpointName): number {
  return (
    compareTexts(a.resource, b.resource) ||
    compareTexts(a.service, b.service) ||
    compareTexts(a.label, b.label)
  );
}
