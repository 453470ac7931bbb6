#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { runProgram } from './program.ts';

// The heap is searched as early as the server's: see main.ts.
setFlagsFromString('--heap-growing-percent=100');

process.exitCode = await runProgram(process.argv.slice(2));
