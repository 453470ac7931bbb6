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

/** The details that a field selects of the groups in its result, without the values of variables. */
type WrittenSelection = {
  group: boolean;
  serviceGroup: boolean;
  subscriberCount: boolean;
  radiusAttributes: boolean;
  readonly subscribers: { readonly node: FieldNode; readonly type: GraphQLObjectType }[];
};

/**
 * Returns which details of the groups in its result a mutation selects. A call with an idempotency key always gets the
 * cheap ones, since a repeated call may select them.
 * @throws AppError BAD_USER_INPUT if an argument of `subscribers` is invalid: before the mutation, not after it
 */
export function parseSelectedDetails(info: GraphQLResolveInfo, mayBeRepeated: boolean): SelectedDetails {
  const selection: WrittenSelection = {
    group: false,
    serviceGroup: false,
    subscriberCount: false,
    radiusAttributes: false,
    subscribers: [],
  };
  const resultType = getNamedType(info.returnType);
  if (isObjectType(resultType)) collectSelection(selection, info.fieldNodes, resultType, info.fragments);
  const { group, serviceGroup, subscriberCount, radiusAttributes, subscribers } = selection;
  return {
    group: group || mayBeRepeated,
    serviceGroup: serviceGroup || mayBeRepeated,
    subscriberCount: subscriberCount || mayBeRepeated,
    // A repeated call computes them from the stored row.
    radiusAttributes,
    subscriberPages: subscribers.map(({ node, type }) => {
      const field = type.getFields()[node.name.value]!;
      return parseSubscriberPage(getArgumentValues(field, node, info.variableValues));
    }),
  };
}

/**
 * Collects the details of the groups in a result, which are the result itself or in its fields, and of the same groups
 * below their subscribers.
 */
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
      if (name === 'radiusAttributes') selection.radiusAttributes = true;
      if (name === 'subscribers') {
        selection.subscribers.push({ node, type });
        // `totalCount` is the same number.
        selection.subscriberCount = true;
      }
    }
    if (!isObjectType(fieldType)) continue;
    if (fieldType.name === 'Group') selection.group = true;
    collectSelection(selection, nodes, fieldType, fragments);
  }
}
