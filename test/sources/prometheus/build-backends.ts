import { buildBackends } from './real-backends.ts';

/** Before the tests of `npm run test:backends`: minutes for each program the first time. */
export default buildBackends;
