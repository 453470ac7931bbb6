import type { Fetcher } from '@graphiql/toolkit';
import { sendOperation, WrongKeyError } from './api.ts';
import { readOperation, type DestructiveField } from './operation.ts';

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
  return async ({ query, operationName, variables }, { headers } = {}) => {
    const key = readKey();
    if (key === undefined)
      return refuse('Not sent: sign in with your API key first, at the top of the page.');
    const { name, isMutation, destructiveFields: fields } = readOperation(query, operationName, variables);
    if (fields.length > 0 && !(await confirm(key, fields))) return refuse('Not sent: you chose to cancel.');
    try {
      return await sendOperation(key, { query, operationName: name, variables, headers });
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof WrongKeyError) onWrongKey(message);
      return refuse(isMutation && !message.startsWith('Not sent') ? `${message} ${nobodyKnows}` : message);
    }
  };
}

const nobodyKnows =
  'Nobody knows whether the mutation was carried out: the audit tells, in the tab AuditEvents.';

function refuse(message: string) {
  return { errors: [{ message }] };
}
