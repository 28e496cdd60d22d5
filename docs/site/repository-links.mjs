import path from 'node:path';
import { address, pageOf, repositoryAddress, repositoryRoot } from './pages.mjs';

/**
 * A plug-in of markdown-it: relative links between the files of the repository lead to their pages on the site, and those to other files
 * to the repository. Pictures in HTML get the `./` by which Vite finds them. What Vue would evaluate is kept as text. Throws where a link leads
 * nowhere.
 *
 * @param {import('markdown-it').default} md
 */
export function repositoryLinks(md) {
  md.core.ruler.push('repository-links', (state) => {
    const file = path
      .relative(repositoryRoot, state.env.realPath ?? state.env.path)
      .split(path.sep)
      .join('/');
    for (const token of state.tokens) {
      if (token.type === 'html_block') token.content = withFoundPictures(token.content);
      for (const child of token.children ?? []) {
        if (child.type === 'html_inline') child.content = withFoundPictures(child.content);
        // Vue would evaluate Argo's `{{args.version}}`.
        if (child.type === 'code_inline') child.attrSet('v-pre', '');
        if (child.type === 'text' && child.content.includes('{{'))
          throw new Error(`${file} has {{ outside of code: write it as code.`);
        if (child.type === 'link_open') child.attrSet('href', siteLink(file, child.attrGet('href') ?? ''));
      }
    }
    if (file.endsWith('.ja.md')) {
      const html = (/** @type {string} */ content) =>
        Object.assign(new state.Token('html_block', '', 0), { content });
      state.tokens = [html('<div lang="ja">\n'), ...state.tokens, html('</div>\n')];
    }
  });
}

/** @param {string} html */
const withFoundPictures = (html) => html.replace(/\b(src|srcset)="(?![./]|\w+:)/g, '$1="./');

/**
 * @param {string} from the file that has the link, relative to the repository
 * @param {string} link
 */
function siteLink(from, link) {
  if (link === '' || link.startsWith('#') || /^[a-z]+:/.test(link)) return link;
  const [target = '', anchor] = link.split('#');
  const file = path.posix.join(path.posix.dirname(from), decodeURI(target)).replace(/\/$/, '');
  const page = pageOf(file);
  const hash = anchor === undefined ? '' : `#${anchor}`;
  return page === undefined ? `${repositoryAddress(file)}${hash}` : `/${address(page)}${hash}`;
}
