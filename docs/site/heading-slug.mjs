/**
 * The anchor that GitHub gives a heading, so that links hold in both places.
 * @param {string} heading its text, without markup
 */
export const headingSlug = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
    .replaceAll(' ', '-');
