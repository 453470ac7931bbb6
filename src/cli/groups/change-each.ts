import { AppError, OperatorError } from '../../errors.ts';
import type { MutationCall } from '../../mutations/mutation-call.ts';
import { auditedCommand, createCommandCall, withDatabase, type CommandDatabase } from '../command-context.ts';

/** The results of the ids that were changed, and the error of those that were not. */
type Changes<T> = { readonly results: readonly T[]; readonly error: unknown };

type Rejected = { readonly id: number; readonly error: AppError };

/** Errors that concern one id only, so that the others are changed nevertheless. */
const errorsOfOneId = ['NOT_FOUND', 'ALREADY_EXISTS', 'BAD_USER_INPUT'];

/**
 * Runs a mutation for each id, each with its own transaction and audit event, until a stop signal. Returns the error
 * instead of throwing it: print the results first.
 */
export async function changeEach<T>(
  operation: string,
  ids: readonly number[],
  change: (id: number, call: MutationCall, database: CommandDatabase) => Promise<T>,
): Promise<Changes<T>> {
  const results: T[] = [];
  const rejected: Rejected[] = [];
  const error = await withDatabase(async (database) => {
    for (const [index, id] of ids.entries()) {
      if (database.signal.aborted) return describeAbort(ids, index, rejected);
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

/** The error of a command that a signal stopped before the id at `index`. */
function describeAbort(ids: readonly number[], index: number, rejected: readonly Rejected[]): OperatorError {
  const failed = new Map(rejected.map(({ id, error }) => [id, `${id} (${error.code})`]));
  const done = ids.slice(0, index).filter((id) => !failed.has(id));
  const notDone = [...failed.values(), ...ids.slice(index)];
  return new OperatorError(
    `Aborted by a signal. Done: ${done.join(', ') || 'none'}. Not done: ${notDone.join(', ')}`,
  );
}

function summarize(rejected: readonly Rejected[], ids: readonly number[]): AppError {
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
