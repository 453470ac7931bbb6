import { setFlagsFromString } from 'node:v8';
import { serve } from './serve.ts';

// V8 lets the heap grow to several times the live data before it collects garbage: 450 MB in an upload for which 250 MB
// suffice.
setFlagsFromString('--heap-growing-percent=100');

await serve();
