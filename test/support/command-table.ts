import type { CommandRow } from './command-row.ts';
import { mutationCommands } from './mutation-commands.ts';
import { queryCommands } from './query-commands.ts';

/** For each root field of the schema the command that does the same. */
export const commandTable: Readonly<Record<string, CommandRow>> = { ...queryCommands, ...mutationCommands };
