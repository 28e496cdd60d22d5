import type { Registry, Service } from '../../domain/registry/model.ts';
import type { GeneratedFile } from '../output/generated-file.ts';
import { type YamlDocument, yamlText } from '../output/yaml-text.ts';
import { judgedServices } from './canary-args.ts';
import { serviceObjectName } from './kubernetes-metadata.ts';

/** The route whose weights Argo sets. */
export const route = 'primary';
/** A header on requests to the canary, for the application's logs and spans. */
export const canaryHeader = 'x-canary';

export const virtualServiceName = (name: string): string => name;
export const stableService = (name: string): string => `${name}-stable`;
export const canaryService = (name: string): string => `${name}-canary`;

/**
 * A VirtualService for each service, whose weights Argo sets, and its Kubernetes Services, in `virtual-services/`. A sample
 * to copy, like the Rollout.
 */
export function virtualServices(
  registry: Registry,
  options: { readonly namespace?: string | undefined },
  only?: string,
): GeneratedFile[] {
  return judgedServices(registry, only).map((service) => ({
    path: `virtual-services/${serviceObjectName(service.name)}.yaml`,
    text: yamlText(documents(service, options.namespace)),
  }));
}

function documents(service: Service, namespace: string | undefined): YamlDocument[] {
  const name = serviceObjectName(service.name);
  const metadata = (of: string) => ({
    name: of,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { app: name },
  });
  const backend = (of: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(of),
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
  });
  return [
    {
      head: [
        `A sample by \`cuj-gate generate virtual-service\`: the routes of ${service.name}, whose weights Argo Rollouts sets.`,
        '',
        'Copy it into the repository of the service and adapt it: hosts, gateways, ports, retries and timeouts.',
        `Keep the name of the route (${route}) and the two destinations: the Rollout refers to them.`,
      ],
      value: {
        apiVersion: 'networking.istio.io/v1',
        kind: 'VirtualService',
        metadata: metadata(virtualServiceName(name)),
        spec: {
          hosts: [name],
          http: [
            {
              name: route,
              route: [
                {
                  destination: { host: stableService(name) },
                  weight: 100,
                  headers: { request: { remove: [canaryHeader] } },
                },
                {
                  destination: { host: canaryService(name) },
                  weight: 0,
                  headers: { request: { set: { [canaryHeader]: 'true' } } },
                },
              ],
            },
          ],
        },
      },
      notes: [
        {
          at: ['spec', 'http', 0, 'route', 0, 'weight'],
          lines: [
            'The initial weights. Argo changes both: exclude them from GitOps, so that they are not reset.',
          ],
        },
        {
          at: ['spec', 'http', 0, 'route', 1, 'headers'],
          lines: [
            `${canaryHeader} tells the application that it is the canary, for its logs and spans. Trace metrics do not include tags`,
            'of spans: the gate distinguishes canary and stable by DD_VERSION (see the Rollout), not by this header.',
          ],
        },
      ],
    },
    { head: ['The service that clients call.'], value: backend(name) },
    {
      head: ['The stable pods: Argo adds their hash to the selector.'],
      value: backend(stableService(name)),
    },
    { head: ['The canary pods: Argo adds their hash to the selector.'], value: backend(canaryService(name)) },
  ];
}
