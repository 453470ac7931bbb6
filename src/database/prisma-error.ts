import { Prisma } from '../generated/prisma/client.ts';

/** Prisma's code for an update or a delete of a row that does not exist. */
export const recordNotFound = 'P2025';
/** Prisma's code for a foreign key whose target does not exist, or is still referenced. */
export const foreignKeyViolated = 'P2003';

/** Prisma's code for a unique key that already exists. */
export const uniqueKeyViolated = 'P2002';

/** Returns whether an error has a code of Prisma. Only the codes are stable between Prisma's versions. */
export function isPrismaError(error: unknown, code: string): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === code;
}

/** Returns PostgreSQL's code of a failed query, from the error or its causes. */
export function sqlStateOf(error: unknown): string | undefined {
  const states = causesOf(error).map(({ originalCode }) => originalCode);
  return states.find((state) => typeof state === 'string');
}

/** Returns an error and its causes: Prisma stores the driver's error in `meta`, all others in `cause`. */
export function causesOf(error: unknown): Record<string, unknown>[] {
  const causes: Record<string, unknown>[] = [];
  for (let current = error; current instanceof Object && causes.length < maxCauses;) {
    const cause = current as Record<string, unknown>;
    causes.push(cause);
    current = cause['cause'] ?? cause['driverAdapterError'] ?? cause['meta'];
  }
  return causes;
}
const maxCauses = 6;
