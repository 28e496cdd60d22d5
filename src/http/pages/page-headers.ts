export const htmlType = 'text/html; charset=utf-8';

/** Nothing of another origin is loaded, nothing inline runs, and no other site can frame a page or learn its address. */
export const pageHeaders = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;
