import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Takes the caller's request id where it is a plain one, so that it can be followed through several systems. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}
