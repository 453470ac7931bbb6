import { Prisma } from '../generated/prisma/client.ts';
import { causesOf } from '../postgres/error-causes.ts';

/** Prisma's code for an update or a delete of a row that does not exist. */
export const recordNotFound = 'P2025';
/** Prisma's code for a unique key that already exists. */
export const uniqueKeyViolated = 'P2002';

/** PostgreSQL's code for a foreign key whose target does not exist. */
export const foreignKeyViolation = '23503';

/** Returns whether an error has a code of Prisma. Only the codes are stable between Prisma's versions. */
export function isPrismaError(error: unknown, code: string): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === code;
}

/** PostgreSQL's code of the error that made a query fail, whether Prisma or pg has reported it. */
export function sqlStateOf(error: unknown): string | undefined {
  const states = causesOf(error).map((cause) =>
    'severity' in cause ? cause['code'] : cause['originalCode'],
  );
  return states.find((state) => typeof state === 'string');
}
