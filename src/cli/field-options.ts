import type { Command } from 'commander';
import { OperatorError } from '../errors.ts';
import { readBoolean, readDecimal, readNumber } from './read-values.ts';

type FieldOption = {
  readonly type: 'text' | 'integer' | 'decimal' | 'boolean';
  /** The description in --help. */
  readonly help: string;
  /** What is there to remove: the field has an option --no-<field> too. */
  readonly removes?: string;
};

/** The options that set the fields of an input object, by the names of the fields. */
export type FieldOptions<Field extends string = string> = Readonly<Record<Field, FieldOption>>;

/** The values of the options as commander returns them: false for --no-<field>. */
export type FieldValues = { readonly [field: string]: string | boolean | undefined };

const placeholders = { text: 'text', integer: 'number', decimal: 'number', boolean: 'true|false' } as const;

/** Adds an option for each field; with `isEdit`, also those that remove the value of an optional field. */
export function addFieldOptions(command: Command, options: FieldOptions, isEdit = false): Command {
  for (const [field, { type, help, removes }] of Object.entries(options)) {
    command.option(`${optionOf(field)} <${placeholders[type]}>`, help);
    if (isEdit && removes !== undefined)
      command.option(optionOf(field).replace('--', '--no-'), `remove ${removes}`);
  }
  return command;
}

/** Returns the fields whose options are set, as the input object of the API; null removes a value. */
export function readFields(options: FieldOptions, values: FieldValues): Record<string, unknown> {
  const entries = Object.entries(options).flatMap(([field, { type }]) => {
    const value = values[field];
    return value === undefined ? [] : [[field, readField(type, value)] as const];
  });
  return Object.fromEntries(entries);
}

/** Like `readFields`, for an edit. @throws OperatorError if no option is set */
export function readChanges(options: FieldOptions, values: FieldValues): Record<string, unknown> {
  const changes = readFields(options, values);
  if (Object.keys(changes).length > 0) return changes;
  throw new OperatorError(
    `Pass at least one field to change: ${Object.keys(options).map(optionOf).join(', ')}`,
  );
}

function readField(type: FieldOption['type'], value: string | boolean): unknown {
  if (typeof value === 'boolean') return null;
  if (type === 'integer') return readNumber(value);
  if (type === 'decimal') return readDecimal(value);
  return type === 'boolean' ? readBoolean(value) : value;
}

/** Returns the option of a field: `tagName` is set by `--tag-name`. */
export function optionOf(field: string): string {
  return `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
