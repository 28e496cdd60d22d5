import fc from 'fast-check';

/** Property tests try the same cases in every run, so what fails can be seen again. A test may name another seed. */
fc.configureGlobal({ seed: 20261124 });
