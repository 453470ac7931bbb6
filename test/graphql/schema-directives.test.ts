import { expect, test } from '@jest/globals';
import { buildSchema } from 'graphql';
import { createCostCalculator } from '../../src/graphql/limits/operation-cost.ts';
import { declareScopes } from '../../src/graphql/scopes.ts';

const directives = `directive @requiresScope(scope: String!) on FIELD_DEFINITION
  directive @listSize(assumedSize: Int!, slicingArguments: [String!], sizedFields: [String!]) on FIELD_DEFINITION`;

test('a schema with a root field without a scope, or with an unknown scope, stops the start', () => {
  const schema = buildSchema(`${directives}
    type Query { a: Int @requiresScope(scope: "groups:read") b: Thing c: Int @requiresScope(scope: "groups:raed") }
    type Mutation { d: Int }
    type Thing { e: Int @requiresScope(scope: "everything") f: Int }`);
  expect(() => declareScopes(schema)).toThrow(
    /^schema\.graphql must give each of these fields @requiresScope with one of .*: Query\.b, Query\.c, Mutation\.d, Thing\.e$/,
  );
});

test('a schema with a list without a size stops the start', () => {
  const schema = buildSchema(`${directives}
    type Query { things: [Thing!]! sized: [Thing] @listSize(assumedSize: 5) page: Page @listSize(assumedSize: 5, sizedFields: ["nodes"]) words: [String!] }
    type Page { nodes: [Thing] edges: [Thing] }
    type Thing { id: Int }`);
  expect(() => createCostCalculator(schema, 1)).toThrow(
    'schema.graphql must give these lists a @listSize: Query.things, Page.edges',
  );
});
