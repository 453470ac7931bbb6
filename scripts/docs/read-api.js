// What the documents say about the API, read from its sources: schema.graphql and src/errors.ts.
import { readFileSync } from 'node:fs';
import { buildSchema, getDirectiveValues } from 'graphql';
import { errorTable } from './load-source.js';

/** Returns the schema, its operations, and the errors by their codes. */
export function readApi() {
  const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
  const errors = new Map(Object.entries(errorTable).map(([code, row]) => [code, { code, ...row }]));
  const operations = [
    ...readOperations(schema, 'query', schema.getQueryType(), errors),
    ...readOperations(schema, 'mutation', schema.getMutationType(), errors),
    ...readOperations(schema, 'subscription', schema.getSubscriptionType(), errors),
  ];
  return { schema, errors, operations };
}

/**
 * Returns the scope that the field itself requires, if any.
 * @returns {string | undefined}
 */
export function scopeOf(schema, field) {
  return getDirectiveValues(schema.getDirective('requiresScope'), field.astNode)?.scope;
}

function readOperations(schema, kind, type, errors) {
  return Object.values(type.getFields()).map((field) => {
    const [text, ...examples] = (field.description ?? '').split(/\n\n(?= {4})/);
    const sentences = text.replaceAll(/\s+/g, ' ');
    return {
      kind,
      field,
      name: field.name,
      scope: scopeOf(schema, field),
      text,
      examples: examples.join('\n').split(/\n(?= {4}(?:query|mutation|subscription) )/),
      codes: [...new Set(sentences.match(/(?<=`)[A-Z_]+(?=`)/g))].filter((code) => errors.has(code)),
    };
  });
}
