import type { Group as GroupFields, GroupEdit } from '../generated/graphql.ts';
import type { Group as GroupRow } from '../generated/prisma/client.ts';

/** Does not compile unless the union is empty: the compiler names its members. */
export type None<Name extends never> = Name;

/**
 * Where prisma/schema.prisma and schema.graphql must agree on the fields of a group. CONTRIBUTING.md ("A new field of
 * Group") has the steps; the exceptions are here.
 */
export type GroupDisagreements = {
  /** Columns that `type Group` does not have. */
  readonly hiddenColumns: None<Exclude<keyof GroupRow, keyof GroupFields | 'serviceGroupId' | 'retirement'>>;
  /** Fields of `type Group` that neither a column nor a resolver has. */
  readonly fieldsWithoutColumn: None<
    Exclude<
      keyof GroupFields,
      | keyof GroupRow
      | '__typename'
      | 'serviceGroup'
      | 'subscribers'
      | 'subscriberCount'
      | 'isRetired'
      | 'radiusAttributes'
    >
  >;
  /** Columns that `input GroupEdit` cannot set. */
  readonly readOnlyColumns: None<
    Exclude<
      keyof GroupRow,
      keyof GroupEdit | 'id' | 'version' | 'createdAt' | 'updatedAt' | 'retiresAt' | 'retirement'
    >
  >;
  /** Fields of `input GroupEdit` that no column stores. */
  readonly editsWithoutColumn: None<Exclude<keyof GroupEdit, keyof GroupRow>>;
};
