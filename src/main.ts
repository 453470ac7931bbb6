#!/usr/bin/env node
import { limitHeapGrowth } from './process/heap-growth.ts';

limitHeapGrowth();

const args = process.argv.slice(2);
if (args.length === 0) {
  const { serve } = await import('./serve.ts');
  await serve();
} else {
  const { runProgram } = await import('./cli/program.ts');
  process.exitCode = await runProgram(args);
}
