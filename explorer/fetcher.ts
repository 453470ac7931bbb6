import type { Fetcher } from '@graphiql/toolkit';
import { NotSentError, sendOperation, WrongKeyError } from './api.ts';
import { readDeleted, type Deletion } from './deletion-impact.ts';
import { readOperation, withMoveTarget, type DestructiveField } from './operation.ts';
import { openSubscription } from './subscription.ts';

/** What the user wants to be sent: the operation, with another target for subscribers if there is one; or nothing. */
export type Answer = { readonly moveSubscribersTo?: number } | undefined;

type FetcherOptions = {
  /** The key of the signed-in account. */
  readonly readKey: () => string | undefined;
  readonly onWrongKey: (problem: string) => void;
  /** Asks the user before a destructive operation is sent. */
  readonly confirm: (key: string, fields: readonly DestructiveField[]) => Promise<Answer>;
  /** Receives the groups that an operation has deleted, after each operation. */
  readonly onDeleted: (deletions: readonly Deletion[]) => void;
  /** Ends the open subscriptions: they belong to the signed-in account. */
  readonly signal: AbortSignal;
};

/** Creates GraphiQL's fetcher. It reports each failure as a GraphQL error that says what to do. */
export function createFetcher({ readKey, onWrongKey, confirm, onDeleted, signal }: FetcherOptions): Fetcher {
  const report = (error: unknown, addition = '') => {
    const { message } = error as Error;
    if (error instanceof WrongKeyError) onWrongKey(message);
    return failure(message + addition);
  };
  return async ({ query, operationName, variables }, { headers } = {}) => {
    const key = readKey();
    if (key === undefined)
      return failure('Not sent: sign in with your API key first, at the top of the page.');
    const selected = readOperation(query, operationName, variables);
    const { name, isMutation, isSubscription, destructiveFields: fields } = selected;
    const answer = fields.length > 0 ? await confirm(key, fields) : {};
    if (!answer) return failure('Not sent: you chose to cancel.');
    const target = answer.moveSubscribersTo;
    const operation =
      target === undefined ? { query, variables } : withMoveTarget({ query, variables }, fields[0]!, target);
    const request = { ...operation, operationName: name, headers };
    try {
      if (isSubscription) return openSubscription(key, request, { signal, report });
      const response = await sendOperation(key, request);
      const sent = readOperation(operation.query, name, operation.variables);
      onDeleted(readDeleted(sent.destructiveFields, response.data));
      return response;
    } catch (error) {
      return report(error, isMutation && !(error instanceof NotSentError) ? ` ${outcomeUnknown}` : '');
    }
  };
}

const outcomeUnknown = 'It is unknown whether the mutation was executed; check the AuditEvents tab.';

function failure(message: string) {
  return { errors: [{ message }] };
}
