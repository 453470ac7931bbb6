import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import { createSchema } from '../src/graphql/schema.ts';
import { openTestApp, type TestApp } from './support/test-app.ts';

const source = readFileSync(new URL('../schema.graphql', import.meta.url), 'utf8');
let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

test('what clients see by introspection is schema.graphql', async () => {
  const { data } = (await app.graphql(getIntrospectionQuery())).body;
  const print = (schema: Parameters<typeof printSchema>[0]) => printSchema(lexicographicSortSchema(schema));
  expect(print(buildClientSchema(data))).toBe(print(buildSchema(source)));
});

describe('every operation', () => {
  const schema = createSchema();
  const fields = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
    Object.values(type.getFields()),
  );

  test.each(fields.map((field) => [field.name, field.description ?? ''] as const))(
    '%s has examples in its description, and each is carried out or refused for its ids only',
    async (name, description) => {
      const examples =
        description.match(/^ {4}(query|mutation) [^]*?(?=\n {4}(?:query|mutation) |$(?![^]))/gm) ?? [];
      expect(examples.length).toBeGreaterThan(0);
      for (const example of examples) {
        expect(example).toContain(name);
        const { body } = await app.graphql(example);
        for (const error of body.errors ?? []) expect(error.extensions.code).toBe('NOT_FOUND');
      }
    },
  );
});
