import {
  exportedTextParser,
  nullableParser,
  parseFields,
  parseId,
  parsePercent,
  requireAnyField,
  requireFields,
  textParser,
  withoutNulls,
  type CreateTextParser,
  type Parsed,
} from '../validation/input-parsers.ts';
import { camelCaseKeys, toRowJson, withRowDefaults } from '../database/row-json.ts';
import { AppError } from '../errors.ts';
import type { ServiceGroup } from '../generated/prisma/client.ts';

export type { ServiceGroup };

const createFields = (parseText: CreateTextParser) => ({
  name: parseText({ min: 1, max: 128 }),
  description: parseText({ max: 2000, multiline: true }),
  language: nullableParser(parseText({ min: 1, max: 64 })),
  discount: parsePercent,
});
const fields = createFields(textParser);
const exportedFields = createFields(exportedTextParser);

/** The columns of the fields that clients set. */
export const serviceGroupInputColumns: readonly string[] = Object.keys(toRowJson(fields));

/** The fields that an edit changes. */
export type ServiceGroupChanges = Parsed<typeof fields>;
/** The fields of a new service group; omitted fields get the default of the table. */
export type NewServiceGroup = ReturnType<typeof parseNewServiceGroup>;

/** @throws AppError BAD_USER_INPUT "Service group id must be a positive integer". */
export function parseServiceGroupId(value: unknown, argument = 'id'): number {
  return parseId(value, argument, 'Service group');
}

/** Parses the input of `createServiceGroup`. Null counts as omitted. @throws AppError BAD_USER_INPUT */
export function parseNewServiceGroup(input: unknown) {
  return requireFields(parseFields(fields, withoutNulls(input), 'serviceGroup'), ['name'], 'serviceGroup');
}

/**
 * Parses a service group of an export, which an earlier version may have accepted under different rules.
 * Omitted fields stay omitted, and null is a value.
 * @throws AppError BAD_USER_INPUT
 */
export function parseExportedServiceGroup(input: unknown) {
  return requireFields(parseFields(exportedFields, input, 'serviceGroup'), ['name'], 'serviceGroup');
}

/** Parses the input of `editServiceGroup`. @throws AppError BAD_USER_INPUT */
export function parseServiceGroupChanges(input: unknown): ServiceGroupChanges {
  return requireAnyField(parseFields(fields, input, 'serviceGroup'), 'serviceGroup');
}

export function serviceGroupNotFound(id: number): AppError {
  const message = `Service group not found: there is no service group ${id}. serviceGroups lists them`;
  return new AppError('NOT_FOUND', message, { id });
}

/** Parses the result of a mutation, which an older version may have stored. */
export function parseServiceGroup(result: object): ServiceGroup {
  return camelCaseKeys(withRowDefaults('service_groups', toRowJson(result))) as ServiceGroup;
}
