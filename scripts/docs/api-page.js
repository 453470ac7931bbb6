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
import { writeTable } from './markdown.js';
import { readApi, scopeOf } from './read-api.js';

/** The errors of any mutation, and of any operation, in addition to those that its description names. */
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
/** Codes that no GraphQL operation returns: the autodialer's. */
const otherCodes = ['NOT_IMPLEMENTED'];

/** Writes the page as Markdown. @throws if an error code is missing from the page */
export function writeApiPage() {
  const { schema, errors, operations } = readApi();
  requireEveryCode(errors, operations);
  const types = Object.values(schema.getTypeMap())
    .filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type))
    .filter(
      (type) =>
        ![schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].includes(type),
    );
  const queries = operations.filter(({ kind }) => kind === 'query');
  const mutations = operations.filter(({ kind }) => kind === 'mutation');
  const subscriptions = operations.filter(({ kind }) => kind === 'subscription');
  const writeOperations = (list) => list.map((operation) => writeOperation(operation, errors)).join('\n\n');
  const rows = (codes) => writeErrors(codes.map((code) => errors.get(code)));

  return `<!-- Generated from schema.graphql by \`npm run generate:docs\`: edits here are lost. -->

# The GraphQL API

Send any operation to \`/graphql\`, or to its own path as \`POST /<operation>\`:

| endpoint | request | status |
| --- | --- | --- |
| \`POST /graphql\`, \`GET /graphql?query=…\` | GraphQL over HTTP, as any GraphQL client sends it; \`GET\` for queries only | 200 for an executed operation; rejections are reported in \`errors\` |
| \`POST /<operation>\`, such as \`POST /deleteGroup\` | one operation: a GraphQL request, or \`{"variables":{"id":7}}\`, or \`{"id":7}\`, the [short form](#the-short-form) | that of the error, or 200 |

Every request needs [credentials](accounts.md). A running server has the schema at \`GET /schema.graphql\`.
[clients.md](clients.md) has examples for Apollo Client, urql and graphql-request.

## The short form

\`POST /<operation>\` with the arguments only, as \`{"id":7}\` or \`{"variables":{"id":7}}\`, needs no query. It returns:

- the scalars of the result, and lists of scalars, such as \`targetIds\` of an audit event;
- the scalars of its objects, one level deep, such as \`serviceGroup\` of a group, \`blockers\` of \`groupDeletionImpact\` and \`group\`
  of \`deletedGroup\`; objects below those are omitted;
- of a list with pages, \`nodes\` by the same rules, and \`pageInfo\`; not \`totalCount\`, which counts the whole list.

It omits fields that need another scope than the operation, such as \`subscribers\` of a group, and fields with a required argument.
Later versions may return further fields. Errors have no \`locations\`. At its default page size, it is within the default limits of
a query.

\`\`\`sh
curl http://127.0.0.1:4000/groupDeletionImpact -H "X-APIKEY: $ADMIN_API_KEY" -H 'Content-Type: application/json' -d '{"id":2}'
\`\`\`

## Contents

- [The short form](#the-short-form)
- [Errors](#errors)
- [Queries](#queries): ${queries.map(linkOperation).join(', ')}
- [Mutations](#mutations): ${mutations.map(linkOperation).join(', ')}
- [Subscriptions](#subscriptions): ${subscriptions.map(linkOperation).join(', ')}
- [Types](#types): ${types.map(linkType).join(', ')}

## Errors

The status is that of \`POST /<operation>\`; [errors.md](errors.md) says when \`/graphql\` returns it, and when to retry. Any operation
can return these errors:

${rows(operationCodes)}

Any mutation that is sent with an \`Idempotency-Key\` header can also return these:

${rows(mutationCodes)}

Further errors are listed with each operation.

## Queries

${writeOperations(queries)}

## Mutations

The result of a rejected mutation is null; it does not affect the results of other mutations in the same request.

${writeOperations(mutations)}

## Subscriptions

A subscription has no endpoint of its name, and no short form. [events.md](events.md) describes the events.

${writeOperations(subscriptions)}

## Types

\`!\` marks what is never null. GraphQL's built-in scalars are \`Int\`, \`Float\`, \`String\`, \`Boolean\` and \`ID\`.

${types.map((type) => writeType(type, schema)).join('\n\n')}
`;
}

function requireEveryCode(errors, operations) {
  const listed = new Set([...operationCodes, ...mutationCodes, ...otherCodes]);
  for (const { codes } of operations) for (const code of codes) listed.add(code);
  const missing = [...errors.keys()].filter((code) => !listed.has(code));
  if (missing.length > 0)
    throw new Error(
      `docs/api.md would lack ${missing.join(', ')}: name them in the description of an operation in schema.graphql, or in scripts/docs/api-page.js`,
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
  const parameters = args.map(
    (argument) => `${argument.name}: ${argument.type}${writeDefault(argument, ' = ')}`,
  );
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
    ['code', 'status', 'meaning', 'retry?'],
    errors.map(({ code, status, meaning, retry }) => [`\`${code}\``, status, meaning, retry]),
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

/** Writes a type as a link to its description. */
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

function inCell(text) {
  return (text ?? '').replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
}

function quote(text) {
  return text === '' ? '' : `\`${text}\``;
}

function fence(language, text) {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}
