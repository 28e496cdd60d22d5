// The site is made of the Markdown files where they are, so that each text exists once and reads well on GitHub too (ADR 28).
// Addresses on the site are the paths of the repository; a README is the index of its folder.
import path from 'node:path';
import { headingSlug } from '../heading-slug.mjs';
import { navigation } from '../navigation.mjs';
import { address, foldersWithoutPages, repositoryRoot, repositoryUrl } from '../pages.mjs';
import { repositoryLinks } from '../repository-links.mjs';

export default {
  title: 'cuj-gate',
  description:
    'A release gate that judges canaries by Critical User Journeys, for Argo Rollouts and Datadog.',
  lang: 'en',
  // GitHub Pages serves the site of a repository below its name.
  base: process.env.DOCS_BASE ?? '/',
  srcDir: path.relative(path.join(import.meta.dirname, '..'), repositoryRoot),
  outDir: 'dist',
  cacheDir: path.join(repositoryRoot, '.cache', 'docs-site'),
  srcExclude: foldersWithoutPages.map((folder) => `${folder}/**`),
  // A gate on the reader's machine.
  ignoreDeadLinks: 'localhostLinks',
  rewrites: (/** @type {string} */ file) => address(file),
  lastUpdated: false,
  // The pictures follow the system as well, and cannot follow a switch on the page.
  appearance: 'force-auto',
  markdown: {
    anchor: { slugify: headingSlug },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    config: (/** @type {import('markdown-it').default} */ md) => md.use(repositoryLinks),
  },
  vite: {
    plugins: [
      {
        // Pages lie above the folder that has node_modules, so Vite would look for Vue in vain when it renders them.
        name: 'vue-of-this-folder',
        enforce: 'pre',
        resolveId: (
          /** @type {string} */ id,
          /** @type {unknown} */ _importer,
          /** @type {{ ssr?: boolean }} */ { ssr },
        ) => (ssr && /^vue(\/server-renderer)?$/.test(id) ? { id, external: true } : null),
      },
    ],
  },
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/docs/argo-rollouts' },
      { text: 'On call', link: '/docs/operations' },
      { text: 'Glossary', link: '/GLOSSARY' },
      { text: '日本語', link: '/README.ja' },
    ],
    sidebar: navigation(),
    outline: [2, 3],
    socialLinks: [{ icon: 'github', link: repositoryUrl, ariaLabel: 'the repository on GitHub' }],
    search: {
      provider: 'local',
      options: {
        miniSearch: {
          options: {
            // Sent to the browser as text, so it uses nothing from around it. Names such as endpoint_unreached are words as a
            // whole and by their parts; Japanese, which has no spaces, is searched by pairs of characters.
            tokenize: (/** @type {string} */ text) => {
              const words = text.split(/[\s\p{P}\p{S}]+/u).filter((word) => word !== '');
              const names = text.match(/[\p{L}\p{N}]+(?:[_.-][\p{L}\p{N}]+)+/gu) ?? [];
              const japanese = text.match(/[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}ー]{2,}/gu) ?? [];
              const pairs = japanese.flatMap((run) => [...run].slice(1).map((_, i) => run.slice(i, i + 2)));
              return [...words, ...names, ...pairs];
            },
          },
          searchOptions: { prefix: true, fuzzy: 0.1, boost: { title: 4, titles: 1, text: 2 } },
        },
      },
    },
  },
};
