import type { Fetcher } from '@graphiql/toolkit';
import { NotSentError, sendOperation, WrongKeyError } from './api.ts';
import { readOperation, type DestructiveField } from './operation.ts';

type FetcherOptions = {
  /** The key of the signed-in account. */
  readonly readKey: () => string | undefined;
  readonly onWrongKey: (problem: string) => void;
  /** Asks the user before a destructive operation is sent. */
  readonly confirm: (key: string, fields: readonly DestructiveField[]) => Promise<boolean>;
};

/** Creates GraphiQL's fetcher. It reports each failure as a GraphQL error that says what to do. */
export function createFetcher({ readKey, onWrongKey, confirm }: FetcherOptions): Fetcher {
  return async ({ query, operationName, variables }, { headers } = {}) => {
    const key = readKey();
    if (key === undefined)
      return failure('Not sent: sign in with your API key first, at the top of the page.');
    const { name, isMutation, destructiveFields: fields } = readOperation(query, operationName, variables);
    if (fields.length > 0 && !(await confirm(key, fields))) return failure('Not sent: you chose to cancel.');
    try {
      return await sendOperation(key, { query, operationName: name, variables, headers });
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof WrongKeyError) onWrongKey(message);
      return failure(
        isMutation && !(error instanceof NotSentError) ? `${message} ${outcomeUnknown}` : message,
      );
    }
  };
}

const outcomeUnknown = 'It is unknown whether the mutation was executed; check the AuditEvents tab.';

function failure(message: string) {
  return { errors: [{ message }] };
}
