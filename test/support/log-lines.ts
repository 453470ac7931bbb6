import type { ServerProcess } from './server-process.ts';
import type { Json } from './test-app.ts';

/** Returns the lines of a server's log so far, parsed. */
export function readLogLines(server: Pick<ServerProcess, 'stderr'>): Json[] {
  return server
    .stderr()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));
}

/** Returns the lines with a message. */
export function logLinesOf(server: Pick<ServerProcess, 'stderr'>, message: string): Json[] {
  return readLogLines(server).filter(({ msg }) => msg === message);
}
