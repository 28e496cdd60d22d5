/** Links to the gate's pages. `publicUrl` has no trailing slash; a CUJ's name needs no encoding. */

/** The annotation that Argo CD shows as a link, next to the object in its tree and on the application. */
export const linkAnnotation = 'link.argocd.argoproj.io/external-link';

/** The page of the rollouts in progress, with a link to each verdict. */
export function startPage(publicUrl: string): string {
  return `${publicUrl}/`;
}

/** The page for the SLO meeting: the error budgets of all CUJs. */
export function reportPage(publicUrl: string): string {
  return `${publicUrl}/report`;
}

/** The page of a CUJ, with its last releases. */
export function cujPage(publicUrl: string, cuj: string): string {
  return `${publicUrl}/cujs/${cuj}`;
}

/** The page of the verdict that a request of this path gets, such as `/cujs/signup/status`. */
export function verdictPage(publicUrl: string, path: string): string {
  return `${publicUrl}${path}`;
}
