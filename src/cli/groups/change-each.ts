import { AppError } from '../../errors.ts';
import type { MutationCall } from '../../mutations/mutation-call.ts';
import { auditedCommand, createCommandCall, withDatabase, type CommandDatabase } from '../command-context.ts';

/** The results of the ids that were changed, and the error of those that were not. */
type Changes<T> = { readonly results: readonly T[]; readonly error: unknown };

/** Errors that concern one id only, so that the others are changed nevertheless. */
const errorsOfOneId = ['NOT_FOUND', 'ALREADY_EXISTS'];

/**
 * Runs a mutation for each id, each with its own transaction and audit event. Returns the error instead of throwing it:
 * print the results first.
 */
export async function changeEach<T>(
  operation: string,
  ids: readonly number[],
  change: (id: number, call: MutationCall, database: CommandDatabase) => Promise<T>,
): Promise<Changes<T>> {
  const results: T[] = [];
  const rejected: { id: number; error: AppError }[] = [];
  const error = await withDatabase(async (database) => {
    for (const id of ids) {
      const call = createCommandCall(operation, [id]);
      try {
        results.push(await auditedCommand(database.mutations, call, () => change(id, call, database)));
      } catch (failure) {
        if (!(failure instanceof AppError) || !errorsOfOneId.includes(failure.code)) return failure;
        rejected.push({ id, error: failure });
      }
    }
    return rejected.length > 0 ? summarize(rejected, ids) : undefined;
  });
  return { results, error };
}

function summarize(rejected: readonly { id: number; error: AppError }[], ids: readonly number[]): AppError {
  const [first] = rejected;
  const { code, message, details } = first!.error;
  if (ids.length === 1) return first!.error;
  const blockers = rejected.map(({ id, error }) => ({
    ...error.details,
    id,
    code: error.code,
    message: error.message,
  }));
  const count = `${rejected.length} of ${ids.length} groups failed`;
  return new AppError(code, `${count}; the others are done. Group ${first!.id}: ${message}`, {
    ...details,
    blockers,
  });
}
