import { Kind, type DocumentNode, type OperationDefinitionNode } from 'graphql';
import { LRUCache } from 'lru-cache';
import { longList } from './stringify-result.ts';

/** What the text of a query says about each request with it, whatever its variables. */
export type KnownQuery = {
  /** The name of its only root field; undefined if it has several, or a fragment. */
  readonly rootField: string | undefined;
  /** Whether its result has no long list. */
  readonly hasShortResult: boolean;
};

/**
 * Queries that were parsed and validated, and are within the limits with any variables, by their text: a request with
 * one of them needs none of these checks again.
 */
export type KnownQueries = Pick<LRUCache<string, KnownQuery>, 'get' | 'set'>;

/** Of all texts together with their entries, so that clients cannot fill the memory with different ones. */
const maxBytes = 4 * 1024 * 1024;
/** What an entry needs in addition to its text, measured. */
const entryBytes = 200;

export function createKnownQueries(): KnownQueries {
  return new LRUCache<string, KnownQuery>({
    maxSize: maxBytes,
    sizeCalculation: (_query, text) => text.length + entryBytes,
  });
}

/**
 * Describes the only operation of a document, whose response has at most `cost` values. Returns undefined if there are
 * several operations, of which each request names one.
 */
export function describeQuery(
  { definitions }: DocumentNode,
  { selectionSet: { selections } }: OperationDefinitionNode,
  cost: number,
): KnownQuery | undefined {
  const operations = definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  if (operations.length > 1) return undefined;
  const [selection] = selections;
  const isField = selections.length === 1 && selection?.kind === Kind.FIELD;
  return { rootField: isField ? selection.name.value : undefined, hasShortResult: cost < longList };
}
