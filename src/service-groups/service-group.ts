import {
  exportedText,
  nullable,
  parseFields,
  parseId,
  percent,
  requireAnyField,
  requireFields,
  text,
  withoutNulls,
  type CreateTextParser,
  type Parsed,
} from '../validation/input-parsers.ts';
import { withRowDefaults } from '../database/row-defaults.ts';
import { camelCaseKeys, toRowJson } from '../database/row-json.ts';
import { AppError } from '../errors.ts';
import type { ServiceGroup } from '../generated/prisma/client.ts';

export type { ServiceGroup };

const createFields = (text: CreateTextParser) => ({
  name: text({ min: 1, max: 128 }),
  description: text({ max: 2000, multiline: true }),
  language: nullable(text({ min: 1, max: 64 })),
  discount: percent,
});
const fields = createFields(text);
const exportedFields = createFields(exportedText);

/** What an edit changes of a service group. */
export type ServiceGroupChanges = Parsed<typeof fields>;
/** What a new service group is made of; what is not given takes the table's default. */
export type NewServiceGroup = ReturnType<typeof parseNewServiceGroup>;

/** @throws AppError BAD_USER_INPUT "Service group id must be a positive integer". */
export function parseServiceGroupId(value: unknown, argument = 'id'): number {
  return parseId(value, argument, 'Service group');
}

/** Reads what `createServiceGroup` was given. A null counts as not given. */
export function parseNewServiceGroup(input: unknown) {
  return requireFields(parseFields(fields, withoutNulls(input), 'serviceGroup'), ['name'], 'serviceGroup');
}

/** Parses a service group of an export, which an earlier version may have accepted by other rules. */
export function parseExportedServiceGroup(input: unknown) {
  return requireFields(
    parseFields(exportedFields, withoutNulls(input), 'serviceGroup'),
    ['name'],
    'serviceGroup',
  );
}

/** Reads what `editServiceGroup` was given. */
export function parseServiceGroupChanges(input: unknown): ServiceGroupChanges {
  return requireAnyField(parseFields(fields, input, 'serviceGroup'), 'serviceGroup');
}

export function serviceGroupNotFound(): AppError {
  return new AppError('NOT_FOUND', 'Service group not found');
}

/** Reads the result of a mutation, which may have been stored by an older version. */
export function parseServiceGroup(result: ServiceGroup): ServiceGroup {
  return camelCaseKeys(withRowDefaults('service_groups', toRowJson(result))) as ServiceGroup;
}
