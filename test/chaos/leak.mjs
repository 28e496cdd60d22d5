// Loaded into a gate before its own program (--import), for `npm run chaos -- --leak N`: keeps CHAOS_LEAK_BYTES of every
// request for ever. A run that does not find it measures nothing.
import { subscribe } from 'node:diagnostics_channel';

const numbers = Number(process.env.CHAOS_LEAK_BYTES) / 8;
const kept = [];
subscribe('http.server.request.start', () => kept.push(new Array(numbers).fill(0.5)));
