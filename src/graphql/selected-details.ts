import {
  getArgumentValues,
  getNamedType,
  isObjectType,
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
} from 'graphql';
import type { SelectedDetails } from '../mutations/mutation-call.ts';
import { parseSubscriberPage } from '../subscribers/subscriber.ts';
import { collectFields, selectionSetsOf, type Fragments } from './limits/selections.ts';

/** What the text of an operation selects of the groups in a field's result, before variables are known. */
type WrittenSelection = {
  group: boolean;
  serviceGroup: boolean;
  subscriberCount: boolean;
  readonly subscribers: { readonly node: FieldNode; readonly type: GraphQLObjectType }[];
};

/** Apollo caches documents, so that most requests find their selection here. */
const selectionByNode = new WeakMap<FieldNode, WrittenSelection>();

/**
 * Reads which details of the groups in its result a mutation is to return. A call that may be repeated gets those that cost
 * little in any case, since the repeated call may select them.
 * @throws AppError BAD_USER_INPUT if an argument of `subscribers` is invalid: before the mutation, not after it.
 */
export function parseSelectedDetails(info: GraphQLResolveInfo, mayBeRepeated: boolean): SelectedDetails {
  const { group, serviceGroup, subscriberCount, subscribers } = readSelection(info);
  return {
    group: group || mayBeRepeated,
    serviceGroup: serviceGroup || mayBeRepeated,
    subscriberCount: subscriberCount || mayBeRepeated,
    subscriberPages: subscribers.map(({ node, type }) => {
      const field = type.getFields()[node.name.value]!;
      return parseSubscriberPage(getArgumentValues(field, node, info.variableValues));
    }),
  };
}

function readSelection({ fieldNodes, returnType, fragments }: GraphQLResolveInfo): WrittenSelection {
  const [node] = fieldNodes as [FieldNode];
  const known = fieldNodes.length === 1 ? selectionByNode.get(node) : undefined;
  if (known) return known;
  const selection = { group: false, serviceGroup: false, subscriberCount: false, subscribers: [] };
  const type = getNamedType(returnType);
  if (isObjectType(type)) collectSelection(selection, fieldNodes, type, fragments);
  if (fieldNodes.length === 1) selectionByNode.set(node, selection);
  return selection;
}

/** Goes down to the first groups, which are the result itself or in its fields. */
function collectSelection(
  selection: WrittenSelection,
  parents: readonly FieldNode[],
  type: GraphQLObjectType,
  fragments: Fragments,
): void {
  for (const nodes of collectFields(selectionSetsOf(parents), fragments).values()) {
    const [node] = nodes as [FieldNode, ...FieldNode[]];
    const name = node.name.value;
    const fieldType = getNamedType(type.getFields()[name]?.type);
    if (type.name === 'Group') {
      if (name === 'serviceGroup') selection.serviceGroup = true;
      if (name === 'subscriberCount') selection.subscriberCount = true;
      if (name === 'subscribers') {
        selection.subscribers.push({ node, type });
        // Its total is the same count.
        selection.subscriberCount = true;
      }
    } else if (isObjectType(fieldType) && fieldType.name === 'Group') {
      selection.group = true;
      collectSelection(selection, nodes, fieldType, fragments);
    }
  }
}
