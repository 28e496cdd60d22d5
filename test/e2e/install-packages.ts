import { debianPackages, ensureDebian } from './debian.ts';

/** `npm run install:packages`: installs the Debian packages whose programs tests start, where they are missing. */
ensureDebian(debianPackages);
