#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';

// V8 lets the heap grow to several times the live data before it collects garbage: 450 MB in an upload for which 250 MB
// suffice.
setFlagsFromString('--heap-growing-percent=100');

const args = process.argv.slice(2);
if (args.length === 0) {
  const { serve } = await import('./serve.ts');
  await serve();
} else {
  const { runProgram } = await import('./cli/program.ts');
  process.exitCode = await runProgram(args);
}
