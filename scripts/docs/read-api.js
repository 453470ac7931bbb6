// Reads the API for the documents from its sources: schema.graphql and the README's table of errors.
import { readFileSync } from 'node:fs';
import { buildSchema, getDirectiveValues } from 'graphql';

/** The schema, its operations, and the errors by their codes. */
export function readApi() {
  const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
  const errors = readErrors(readFileSync('README.md', 'utf8'));
  const operations = [
    ...readOperations(schema, 'query', schema.getQueryType(), errors),
    ...readOperations(schema, 'mutation', schema.getMutationType(), errors),
  ];
  return { schema, errors, operations };
}

/**
 * Returns the scope that a field itself requires, if any.
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
      examples: examples.join('\n').split(/\n(?= {4}(?:query|mutation) )/),
      codes: [...new Set(sentences.match(/(?<=`)[A-Z_]+(?=`)/g))].filter((code) => errors.has(code)),
    };
  });
}

function readErrors(readme) {
  const rows = readme.matchAll(/^\| `([A-Z_]+)` +\| (\d{3}) +\| (.*?) *\|$/gm);
  return new Map([...rows].map(([, code, status, meaning]) => [code, { code, status, meaning }]));
}
