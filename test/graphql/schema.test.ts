import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import { createSchema } from '../../src/graphql/schema.ts';
import { useTestApp } from '../support/test-app.ts';

const source = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');
const app = useTestApp();

test("introspection returns schema.graphql, with each operation's scope in its description", async () => {
  const { data } = (await app.graphql(getIntrospectionQuery())).body;
  const print = (schema: Parameters<typeof printSchema>[0]) => printSchema(lexicographicSortSchema(schema));
  const scopeSentence = /\n *\n *Scope: `\S+`\.$/gm;
  const shown = print(buildClientSchema(data));
  expect(shown.replaceAll(scopeSentence, '')).toBe(print(buildSchema(source)));

  const client = buildClientSchema(data);
  for (const type of [client.getQueryType()!, client.getMutationType()!])
    for (const field of Object.values(type.getFields())) {
      const [, declared] = new RegExp(
        `^  ${field.name}[(:][^]*?@requiresScope\\(scope: "(.+?)"\\)`,
        'm',
      ).exec(source.slice(source.indexOf(`type ${type.name} `)))!;
      expect([field.name, field.description]).toStrictEqual([
        field.name,
        expect.stringContaining(`Scope: \`${declared}\`.`),
      ]);
    }
});

describe('every operation', () => {
  const schema = createSchema();
  const fields = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
    Object.values(type.getFields()),
  );

  test.each(fields.map((field) => [field.name, field.description ?? ''] as const))(
    'the examples in the description of %s are executed, or rejected for their ids only',
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
