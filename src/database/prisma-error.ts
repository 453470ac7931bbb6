import { Prisma } from '../generated/prisma/client.ts';
import { causesOf } from '../postgres/error-causes.ts';

/** Prisma's code for a row that an update or a delete did not find. */
export const recordNotFound = 'P2025';
/** Prisma's code for a foreign key that points to nothing, or whose target is still in use. */
export const foreignKeyViolated = 'P2003';

/** Prisma's code for a unique key that is taken. */
export const uniqueKeyViolated = 'P2002';

/** Tells whether a query failed for this reason. Only the code is stable between Prisma's versions. */
export function isPrismaError(error: unknown, code: string): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === code;
}

/** PostgreSQL's code of the error behind a query's failure, whether Prisma or pg has reported it. */
export function sqlStateOf(error: unknown): string | undefined {
  const states = causesOf(error).map((cause) =>
    'severity' in cause ? cause['code'] : cause['originalCode'],
  );
  return states.find((state) => typeof state === 'string');
}
