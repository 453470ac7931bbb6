import { GraphQLError, Kind, valueFromASTUntyped, type GraphQLScalarType, type ValueNode } from 'graphql';

/** A date and time with an offset. @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6 */
const dateTimePattern =
  /^\d{4}-(\d\d)-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i;

/** The functions of a scalar; its name and description come from schema.graphql. */
type ScalarFunctions<T> = Pick<GraphQLScalarType<T, T>, 'serialize' | 'parseValue' | 'parseLiteral'>;

/** The scalar `DateTime`: a `Date` in resolvers, and a text of RFC 3339 outside. Leap seconds are rejected. */
export const dateTimeScalar: ScalarFunctions<Date> = {
  serialize: (value) => {
    if (!(value instanceof Date)) return parseDateTime(value);
    if (Number.isNaN(value.getTime())) throw new GraphQLError('DateTime cannot represent an invalid Date');
    return value;
  },
  parseValue: (value) => parseDateTime(value),
  parseLiteral: (node) => {
    if (node.kind === Kind.STRING) return parseDateTime(node.value, node);
    const value = String('value' in node && node.value);
    throw new GraphQLError(`DateTime cannot represent non string or Date type ${value}`, { nodes: node });
  },
};

/** The scalar `JSON`: any value. */
export const jsonScalar: ScalarFunctions<unknown> = {
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => valueFromASTUntyped(node, variables),
};

/** @throws GraphQLError if the value is no text of RFC 3339, or not a day of the calendar. */
function parseDateTime(value: unknown, node?: ValueNode): Date {
  const options = node ? { nodes: node } : {};
  if (typeof value !== 'string') {
    throw new GraphQLError(
      `DateTime cannot represent non string or Date type ${JSON.stringify(value)}`,
      options,
    );
  }
  const [text, month, day] = dateTimePattern.exec(value) ?? [];
  if (text === undefined || !isDay(Number(text.slice(0, 4)), Number(month), Number(day)))
    throw new GraphQLError(`DateTime cannot represent an invalid date-time-string ${value}.`, options);
  return new Date(text.toUpperCase());
}

/** JavaScript's dates accept 30 February as 1 or 2 March. */
function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
