/** Links to the gate's pages. `publicUrl` has no trailing slash; names of CUJs and environments need no encoding. */

/** The annotation that Argo CD shows as a link, next to the object in its tree and on the application. */
export const linkAnnotation = 'link.argocd.argoproj.io/external-link';

/** The page of the rollouts in progress, with a link to each verdict. */
export function startPage(publicUrl: string, environment: string | undefined): string {
  return `${publicUrl}/${queryOf(environment)}`;
}

/** The page for the SLO meeting: the error budgets of all CUJs. */
export function reportPage(publicUrl: string, environment: string | undefined): string {
  return `${publicUrl}/report${queryOf(environment)}`;
}

/** The page of a CUJ, with its last releases. */
export function cujPage(
  publicUrl: string,
  { name, environment }: { readonly name: string; readonly environment?: string | undefined },
): string {
  return `${publicUrl}/cujs/${name}${queryOf(environment)}`;
}

/** Without it, where the registry has environments, the gate would ask which one is meant. */
export function queryOf(environment: string | undefined): string {
  return environment === undefined ? '' : `?environment=${environment}`;
}

/** The page of the verdict that a request of this path gets, such as `/cujs/signup/status`. */
export function verdictPage(publicUrl: string, path: string): string {
  return `${publicUrl}${path}`;
}
