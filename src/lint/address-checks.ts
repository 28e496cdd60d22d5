import type { Report } from './finding.ts';
import type { UsedMetric } from './metric-checks.ts';
import type { Place } from './yaml-node.ts';

/** Where Argo CD shows links, among them that of generated templates to the gate's pages. */
const browserLink = 'link.argocd.argoproj.io/external-link';

/**
 * Whether something else can answer in the gate's place. Argo calls a response of status 2xx that is not JSON Successful, so a
 * login page of a proxy, or the page of a captive portal, lets every release pass. What a URL can show is checked: the way to the
 * gate is inside the cluster or verified by TLS, and it is not the way of browsers, which a proxy may sign in.
 */
export function checkAddress({ place, name, args }: UsedMetric, template: Place, report: Report): void {
  const web = place.at('provider', 'web');
  const url = web.at('url');
  const text = (url.text ?? '').replace(
    /\{\{\s*args\.([^}\s]+)\s*\}\}/g,
    (all, arg: string) => args.get(arg) ?? all,
  );
  const [, scheme, host] = /^(https?):\/\/([^/?#{}]+?)(?::\d+)?(?:[/?#]|$)/i.exec(text) ?? [];
  if (scheme === undefined || host === undefined) return;
  const isVerified = scheme.toLowerCase() === 'https';
  const insecure = web.at('insecure');
  if (isVerified && insecure.text === 'true') {
    report(
      'warning',
      'certificate-not-verified',
      insecure,
      `Metric "${name}" accepts any certificate of ${host}.`,
      'Whatever answers at this address can let a release pass: Argo calls a response of 2xx that is not JSON Successful.',
      "Remove insecure, and give the gate's CA to the Argo Rollouts controller (SSL_CERT_FILE).",
    );
  }
  if (isInCluster(host)) return;
  if (!isVerified) {
    report(
      'warning',
      'gate-over-http',
      url,
      `Metric "${name}" asks ${host} without TLS, and this is no address inside the cluster.`,
      'Whatever answers in place of the gate can let a release pass: Argo calls a response of 2xx that is not JSON Successful.',
      "Use the gate's Service, such as http://cuj-gate.cuj-gate.svc:8080, or https.",
    );
  } else if (host.toLowerCase() === hostOfPages(template)) {
    report(
      'warning',
      'asks-address-of-browsers',
      url,
      `Metric "${name}" asks ${host}, which is also the address for browsers.`,
      'If a proxy there signs people in, it can respond with its login page. Argo calls a response of 2xx that is not JSON Successful: every release passes.',
      "Use the gate's Service, such as http://cuj-gate.cuj-gate.svc:8080, or an address without a proxy that signs in.",
    );
  }
}

function hostOfPages(template: Place): string | undefined {
  const link = template.at('metadata', 'annotations', browserLink).text;
  return /^https?:\/\/([^/:?#]+)/i.exec(link ?? '')?.[1]?.toLowerCase();
}

const namePart = /^[a-z0-9-]+$/i;
const privateAddress = /^(127|10|192\.168|172\.(1[6-9]|2\d|3[01]))\.[\d.]+$|^\[(::1|f[cd][0-9a-f:]+)\]$/i;

/** A Service, as NAME, NAME.NAMESPACE, NAME.NAMESPACE.svc or with the cluster's domain; or an address of a private network. */
function isInCluster(host: string): boolean {
  if (privateAddress.test(host)) return true;
  const parts = host.split('.');
  return (
    (parts.length <= 2 || parts[2]?.toLowerCase() === 'svc') &&
    parts.slice(0, 2).every((part) => namePart.test(part))
  );
}
