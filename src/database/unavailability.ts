import { serviceUnavailable } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';

/** Prisma's codes for a database that cannot be reached, closed the connection, or has none to spare. */
const unavailablePrismaCodes = new Set([
  'P1001',
  'P1002',
  'P1008',
  'P1011',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
]);
/** PostgreSQL's codes for the same: classes 08 (connection), 53 (resources), 57P (shutdown), and read-only after a failover. */
const unavailableSqlState = /^(08|53|57P0|25006)/;
const unavailableSystemCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** What `pg` says without any code. */
const unavailableMessage = /timeout exceeded when trying to connect|Connection terminated|not queryable/;

/** Makes every query of a client fail with SERVICE_UNAVAILABLE where the database is away; other errors pass. */
export function withUnavailability(prisma: PrismaClient): PrismaClient {
  return prisma.$extends({
    query: {
      async $allOperations({ args, query }) {
        try {
          return await query(args);
        } catch (error) {
          throw toUnavailability(error);
        }
      },
    },
  }) as unknown as PrismaClient; // Prisma's type for an extended client leaves out nothing that we use.
}

/** Turns an error into SERVICE_UNAVAILABLE where it means that the database is away; any other passes as it is. */
export function toUnavailability(error: unknown): unknown {
  return isUnavailable(error) ? serviceUnavailable(error) : error;
}

/** Looks for the reason along the chain of causes, since Prisma wraps what the driver says. */
function isUnavailable(error: unknown): boolean {
  for (let each = error, depth = 0; each instanceof Object && depth < 5; depth++) {
    const { code, originalCode, message, cause } = each as Record<string, unknown>;
    const codes = [code, originalCode].filter((value) => typeof value === 'string');
    if (codes.some((value) => unavailablePrismaCodes.has(value) || unavailableSystemCodes.has(value)))
      return true;
    if (codes.some((value) => unavailableSqlState.test(value))) return true;
    if (typeof message === 'string' && unavailableMessage.test(message)) return true;
    each = cause;
  }
  return false;
}
