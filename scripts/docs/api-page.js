// docs/api.md: every operation and every type of the schema.
import {
  astFromValue,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  print,
} from 'graphql';
import { readApi, scopeOf } from './read-api.js';

/** Codes that any operation, or any mutation, can return in addition to those in its description. */
const mutationCodes = ['IDEMPOTENCY_IN_PROGRESS', 'IDEMPOTENCY_KEY_REUSED'];
const operationCodes = [
  'BAD_USER_INPUT',
  'QUERY_TOO_COMPLEX',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_REQUEST',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'OPERATION_NOT_ALLOWED',
  'PATH_NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'NOT_ACCEPTABLE',
  'REQUEST_TIMEOUT',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'RATE_LIMITED',
  'INTERNAL_SERVER_ERROR',
  'SERVICE_UNAVAILABLE',
  'PERSISTED_QUERY_NOT_SUPPORTED',
];
/** Codes that no GraphQL operation returns, only the autodialer. */
const otherCodes = ['NOT_IMPLEMENTED'];

/** Writes the page as Markdown. @throws Error if the page would omit an error code */
export function writeApiPage() {
  const { schema, errors, operations } = readApi();
  requireEveryCode(errors, operations);
  const types = Object.values(schema.getTypeMap())
    .filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type))
    .filter((type) => type !== schema.getQueryType() && type !== schema.getMutationType());
  const queries = operations.filter(({ kind }) => kind === 'query');
  const mutations = operations.filter(({ kind }) => kind === 'mutation');
  const writeOperations = (list) => list.map((operation) => writeOperation(operation, errors)).join('\n\n');
  const rows = (codes) => writeErrors(codes.map((code) => errors.get(code)));

  return `<!-- Generated from schema.graphql by \`npm run generate:docs\`: do not edit. -->

# The GraphQL API

Send operations to \`/graphql\`, or as \`POST /<operation>\`: see the [README](../README.md#ask) for both, and for the accepted
credentials. A running server returns the schema at \`GET /schema.graphql\`. [group-api.http](group-api.http) has a request for every
operation, to send from an editor.

## Contents

- [Errors](#errors)
- [Queries](#queries): ${queries.map(linkOperation).join(', ')}
- [Mutations](#mutations): ${mutations.map(linkOperation).join(', ')}
- [Types](#types): ${types.map(linkType).join(', ')}

## Errors

The status is that of \`POST /<operation>\`; \`/graphql\` returns 200 for executed operations. Any operation can return these errors:

${rows(operationCodes)}

Any mutation with the header \`Idempotency-Key\` can also return these errors:

${rows(mutationCodes)}

Further errors are listed with each operation.

## Queries

${writeOperations(queries)}

## Mutations

The result of a rejected mutation is null, so that one error does not hide the results of others.

${writeOperations(mutations)}

## Types

\`!\` marks types that are never null. The built-in scalars of GraphQL are \`Int\`, \`Float\`, \`String\`, \`Boolean\` and \`ID\`.

${types.map((type) => writeType(type, schema)).join('\n\n')}
`;
}

function requireEveryCode(errors, operations) {
  const listed = new Set([...operationCodes, ...mutationCodes, ...otherCodes]);
  for (const { codes } of operations) for (const code of codes) listed.add(code);
  const missing = [...errors.keys()].filter((code) => !listed.has(code));
  if (missing.length > 0)
    throw new Error(
      `docs/api.md would not have ${missing.join(', ')}: name them in the description of an operation in schema.graphql, or in scripts/docs/api-page.js`,
    );
}

function linkOperation({ name }) {
  return `[${name}](#${name.toLowerCase()})`;
}

function writeOperation({ field, scope, text, examples, codes }, errors) {
  const ownCodes = codes.filter((code) => !operationCodes.includes(code) && !mutationCodes.includes(code));
  return [
    `### ${field.name}`,
    fence('graphql', writeSignature(field)),
    text,
    field.args.length > 0 && writeArguments(field.args),
    `Returns ${linkTo(field.type)}. Scope: \`${scope}\`.`,
    ownCodes.length > 0 && writeErrors(ownCodes.map((code) => errors.get(code))),
    ...examples.map((example) => fence('graphql', example.replaceAll(/^ {4}/gm, ''))),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function writeSignature({ name, args, type }) {
  const parameters = args.map((arg) => `${arg.name}: ${arg.type}${writeDefault(arg, ' = ')}`);
  if (parameters.length === 0) return `${name}: ${type}`;
  const line = `${name}(${parameters.join(', ')}): ${type}`;
  return line.length <= 80
    ? line
    : `${name}(\n${parameters.map((parameter) => `  ${parameter}\n`).join('')}): ${type}`;
}

function writeDefault({ defaultValue, type }, prefix = '') {
  return defaultValue === undefined ? '' : `${prefix}${print(astFromValue(defaultValue, type))}`;
}

function writeArguments(args) {
  return writeTable(
    ['argument', 'type', 'default', 'meaning'],
    args.map((arg) => [
      `\`${arg.name}\``,
      linkTo(arg.type),
      quote(writeDefault(arg)),
      inCell(arg.description),
    ]),
  );
}

function writeErrors(errors) {
  return writeTable(
    ['code', 'status', 'meaning'],
    errors.map(({ code, status, meaning }) => [`\`${code}\``, status, meaning]),
  );
}

function headingOf(type) {
  if (isObjectType(type)) return `type ${type.name}`;
  if (isInputObjectType(type)) return `input ${type.name}`;
  return isEnumType(type) ? `enum ${type.name}` : `scalar ${type.name}`;
}

function linkType(type) {
  return `[${type.name}](#${headingOf(type).toLowerCase().replace(' ', '-')})`;
}

/** Returns a type as a link to its description. */
function linkTo(type) {
  const named = getNamedType(type);
  const code = `\`${type}\``;
  if (isScalarType(named) && isSpecifiedScalarType(named)) return code;
  return linkType(named).replace(`[${named.name}]`, () => `[${code}]`);
}

function writeType(type, schema) {
  const parts = [`### ${headingOf(type)}`, type.description];
  if (isEnumType(type)) parts.push(writeEnumValues(type));
  else if (!isScalarType(type)) parts.push(writeFields(Object.values(type.getFields()), schema));
  const described = isObjectType(type) ? Object.values(type.getFields()) : [];
  for (const { name, args } of described)
    if (args.length > 0) parts.push(`The arguments of \`${name}\`:`, writeArguments(args));
  return parts.filter(Boolean).join('\n\n');
}

function writeEnumValues(type) {
  return writeTable(
    ['value', 'meaning'],
    type.getValues().map(({ name, description }) => [`\`${name}\``, inCell(description)]),
  );
}

function writeFields(fields, schema) {
  return writeTable(
    ['field', 'type', 'meaning'],
    fields.map((field) => {
      const scope = scopeOf(schema, field);
      const defaultValue = writeDefault(field);
      const meaning = [
        inCell(field.description),
        defaultValue && `Default: \`${defaultValue}\`.`,
        scope && `Scope: \`${scope}\`.`,
      ];
      return [`\`${field.name}\``, linkTo(field.type), meaning.filter(Boolean).join(' ')];
    }),
  );
}

function writeTable(head, rows) {
  const write = (cells) => `| ${cells.join(' | ')} |`;
  return [write(head), write(head.map(() => '---')), ...rows.map(write)].join('\n');
}

function inCell(text) {
  return (text ?? '').replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
}

function quote(text) {
  return text === '' ? '' : `\`${text}\``;
}

function fence(language, text) {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}
