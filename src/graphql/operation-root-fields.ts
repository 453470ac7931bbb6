import type { DocumentNode, OperationDefinitionNode } from 'graphql';
import { collectFields, fragmentsOf } from './limits/selections.ts';

/** By operation: Apollo Server parses a query once. */
const cache = new WeakMap<OperationDefinitionNode, readonly string[]>();

/**
 * Returns the names of the root fields of an operation, each once, in the order of the operation. They are names of the
 * schema, or those of introspection, if the operation is valid.
 */
export function rootFieldsOf(operation: OperationDefinitionNode, document: DocumentNode): readonly string[] {
  const cached = cache.get(operation);
  if (cached) return cached;
  const fields = collectFields([operation.selectionSet], fragmentsOf(document));
  const names = [...new Set([...fields.values()].map(([node]) => node!.name.value))];
  cache.set(operation, names);
  return names;
}
