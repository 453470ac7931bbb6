import { readFileSync } from 'node:fs';
import { buildSchema, getNamedType, isLeafType, isObjectType, type GraphQLNamedType } from 'graphql';

/** The schema as clients see it. */
export const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));

/** The fields of queries and mutations. */
export const rootFields = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
  Object.values(type.getFields()),
);

/** The parts of a connection that a command prints. */
const connectionFields = ['nodes', 'pageInfo', 'hasNextPage', 'endCursor'];

/**
 * Writes a selection of everything below a type: scalars, and objects with all their fields. Without the pages of
 * subscribers and the group of a subscriber, which commands do not print.
 */
export function selectAll(type: GraphQLNamedType): string {
  if (!isObjectType(type)) return '';
  const isPage = type.name === 'PageInfo' || type.name.endsWith('Connection');
  const selected = Object.values(type.getFields()).filter(
    ({ name, args }) =>
      args.length === 0 &&
      !(type.name === 'Subscriber' && name === 'group') &&
      (!isPage || connectionFields.includes(name)),
  );
  const parts = selected.map((field) => {
    const below = getNamedType(field.type);
    return isLeafType(below) ? field.name : `${field.name} ${selectAll(below)}`;
  });
  return `{ ${parts.join(' ')} }`;
}

/** Writes the operation that calls a root field with variables for these arguments, and selects everything. */
export function writeOperation(name: string, variables: object): string {
  const field = rootFields.find((candidate) => candidate.name === name)!;
  const kind = schema.getQueryType()!.getFields()[name] ? 'query' : 'mutation';
  const used = field.args.filter((argument) => argument.name in variables);
  const declared = used.map((argument) => `$${argument.name}: ${String(argument.type)}`).join(', ');
  const passed = used.map((argument) => `${argument.name}: $${argument.name}`).join(', ');
  const selection = selectAll(getNamedType(field.type));
  return used.length === 0
    ? `${kind} { ${name} ${selection} }`
    : `${kind} (${declared}) { ${name}(${passed}) ${selection} }`;
}
