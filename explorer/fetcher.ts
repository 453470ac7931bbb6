import type { Fetcher } from '@graphiql/toolkit';
import { sendOperation, WrongKeyError } from './api.ts';
import { findDestructiveFields, type DestructiveField } from './destructive-fields.ts';
import { chooseOperationName } from './operation-name.ts';

/** What sending an operation depends on. */
type FetcherSurroundings = {
  /** The key of who is signed in. */
  readonly readKey: () => string | undefined;
  readonly onWrongKey: (problem: string) => void;
  /** Asks the person before something is taken away. */
  readonly confirm: (key: string, fields: readonly DestructiveField[]) => Promise<boolean>;
};

/** Sends what GraphiQL is asked to run. What cannot be sent is answered as an error is, and says what to do. */
export function createFetcher({ readKey, onWrongKey, confirm }: FetcherSurroundings): Fetcher {
  return async ({ query, operationName: givenName, variables }, { headers } = {}) => {
    const key = readKey();
    if (key === undefined)
      return refuse('Not sent: sign in with your API key first, at the top of the page.');
    const operationName = chooseOperationName(query, givenName);
    const fields = findDestructiveFields(query, operationName, variables);
    if (fields.length > 0 && !(await confirm(key, fields))) return refuse('Not sent: you chose to cancel.');
    try {
      return await sendOperation(key, { query, operationName, variables }, headers);
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof WrongKeyError) onWrongKey(message);
      return refuse(message);
    }
  };
}

function refuse(message: string) {
  return { errors: [{ message }] };
}
