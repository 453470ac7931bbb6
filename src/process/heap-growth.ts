import { setFlagsFromString } from 'node:v8';

/**
 * V8 lets the heap grow to several times the live data before it collects garbage: 450 MB in an upload for which 250 MB
 * suffice. Lets it double only, in this process.
 */
export function limitHeapGrowth(): void {
  setFlagsFromString('--heap-growing-percent=100');
}
