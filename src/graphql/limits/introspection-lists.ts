import {
  getNamedType,
  getNullableType,
  introspectionFromSchema,
  isListType,
  isObjectType,
  __Schema,
  __Type,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';

/** The lengths of one of the lists of introspection, such as the `fields` of a type, for all objects that have it. */
type IntrospectionList = {
  readonly longest: number;
  /** The number of entries of all these lists together. */
  readonly total: number;
  /** Whether no entry is in two of the lists: a field belongs to one type, while types may share an interface. */
  readonly isPartition: boolean;
};

/** Measures the lists of introspection, which have no `@listSize`: their contents are the schema itself. */
export function measureIntrospection(
  schema: GraphQLSchema,
): ReadonlyMap<GraphQLField<unknown, unknown>, IntrospectionList> {
  const measured = new Map<GraphQLField<unknown, unknown>, IntrospectionList>();
  const measure = (type: GraphQLObjectType, objects: readonly unknown[]) => {
    for (const field of Object.values(type.getFields())) {
      if (!isListType(getNullableType(field.type))) continue;
      const lists = objects.map((object) => listOf(object, field.name));
      const entries = lists.flat();
      const entryType = getNamedType(field.type);
      const isPartition = type === __Schema || entryType !== __Type;
      measured.set(field, {
        longest: Math.max(1, ...lists.map(({ length }) => length)),
        total: Math.max(1, entries.length),
        isPartition,
      });
      if (isPartition && isObjectType(entryType)) measure(entryType, entries);
    }
  };
  measure(__Schema, [introspectionFromSchema(schema).__schema]);
  return measured;
}

/** Returns a list of an introspected object; empty if it is null, as the `fields` of a scalar are. */
function listOf(object: unknown, name: string): readonly unknown[] {
  const list = (object as Record<string, unknown>)[name];
  return Array.isArray(list) ? list : [];
}
