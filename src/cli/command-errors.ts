import type { Command } from 'commander';
import { AppError, OperatorError } from '../errors.ts';
import { optionOf } from './field-options.ts';

/** The exit codes of all commands. */
export const exitCodes = { done: 0, failed: 1, usageError: 2 } as const;

export const exitCodesHelp = `
Exit codes: 0 done, 1 rejected or failed, 2 usage error. With --json, errors are JSON on standard error.`;

/** The maximum number of blockers in a text message. */
const maxBlockers = 20;

/** Why one group cannot be changed. */
type Blocker = {
  readonly id: number;
  readonly name?: string;
  readonly code: string;
  readonly message: string;
  readonly subscriberCount?: number;
  readonly help?: string;
  readonly argument?: string;
};

/** The options and arguments whose names are not those of the API in kebab case. */
const optionNames: Readonly<Record<string, string>> = {
  from: '--since',
  to: '--until',
  targetId: '--target',
  groupId: '--group',
  serviceGroupId: '--service-group',
  fromGroupId: '<from>',
  toGroupId: '<to>',
};

/** The commands for the operations of the API that messages name; `{id}` is the id in the error. */
const commandNames: Readonly<Record<string, string>> = {
  restoreGroup: 'groups restore {id}',
  deletedGroups: 'groups deleted',
  editGroup: 'groups edit',
  moveSubscribers: 'subscribers move',
  removeUserSubscription: 'subscribers remove',
};
const operationName = new RegExp(`\\b(?:${Object.keys(commandNames).join('|')})\\b`, 'g');

/** A name in camel case, maybe after the argument it belongs to, such as `filter.minPrice`; none in a quoted value. */
const argumentName = /(?<![\w."-])(?:\w+\.)?[a-z]+(?:[A-Z][a-z]*)+(?![\w-])/g;

/**
 * Writes to standard error why a command failed: an operator's error as one line, an internal error with its stack. The
 * errors of the API are put in the terms of `command`, which is undefined until one has started.
 */
export async function reportError(error: unknown, asJson: boolean, command?: Command): Promise<void> {
  const explained = await explain(error);
  const reason = command && explained instanceof AppError ? toCommandError(explained, command) : explained;
  process.stderr.write(
    asJson ? describeAsJson(reason) : describe(reason).replace(/^/gm, 'group-api: ') + '\n',
  );
}

async function explain(error: unknown): Promise<unknown> {
  if (error instanceof OperatorError || (error instanceof AppError && error.cause === undefined))
    return error;
  const { explainMissingPrivilege } = await import('../database/missing-privilege.ts');
  return explainMissingPrivilege(error);
}

/**
 * Returns an error of the API with a message in the terms of the command line: options instead of arguments, commands
 * instead of operations, the id of a missing group, and the command that lists the groups. The code and the other
 * details stay.
 */
function toCommandError({ code, message, details, cause }: AppError, command: Command): AppError {
  const blockers = details['blockers'] as readonly Blocker[] | undefined;
  const id = typeof details['id'] === 'number' ? details['id'] : blockers?.[0]?.id;
  const isMissing = message === 'Group not found' && id !== undefined;
  const text = toCommandTerms(isMissing ? `${message}: group ${id}` : message, details, id, command);
  const more = {
    ...(blockers && {
      blockers: blockers.map((blocker) => ({
        ...blocker,
        message: toCommandTerms(blocker.message, blocker, blocker.id, command),
      })),
    }),
    ...(isMissing && { help: 'group-api groups list' }),
  };
  return new AppError(code, text, { ...details, ...more }, { cause });
}

function toCommandTerms(
  message: string,
  { argument }: { readonly argument?: unknown },
  id: number | undefined,
  command: Command,
): string {
  const text = message.replace(
    operationName,
    (name) => `\`group-api ${commandNames[name]!.replace('{id}', `${id ?? '<id>'}`)}\``,
  );
  const withOptions = text.replace(argumentName, (name) => findOption(name, command) ?? name);
  const option = typeof argument === 'string' ? findOption(argument, command) : undefined;
  if (option === undefined) return withOptions;
  // A name such as `first` is a word of the language, too: it is the argument only as a subject.
  return withOptions.replace(new RegExp(`(?<=^|: )${String(argument)}(?![\\w.-])`), option);
}

/** Returns the option, or the argument, of a command for a path of the API such as `filter.minPrice`. */
function findOption(path: string, command: Command): string | undefined {
  const name = path.replace(/^\w+\./, '');
  const names = [
    ...command.options.map(({ long }) => long),
    ...command.registeredArguments.map((positional) => `<${positional.name()}>`),
  ];
  return [optionOf(name), optionNames[name]].find((candidate) => names.includes(candidate));
}

export function writeErrorJson(code: string, message: string, details: object = {}): string {
  return JSON.stringify({ error: { ...details, code, message } }) + '\n';
}

function describe(error: unknown): string {
  if (error instanceof AppError) {
    const { blockers, usernames, help } = error.details;
    return [
      `${error.message} (${error.code})`,
      ...(Array.isArray(blockers) ? describeBlockers(blockers as Blocker[]) : []),
      ...(Array.isArray(usernames) ? [`  for example: ${usernames.join(', ')}`] : []),
      ...(typeof help === 'string' ? [`  to continue: ${help}`] : []),
    ].join('\n');
  }
  return error instanceof OperatorError ? error.message : ((error as Error).stack ?? String(error));
}

/** Describes why groups cannot be changed, one line per reason, and what would help. */
function describeBlockers(blockers: readonly Blocker[]): string[] {
  const lines = blockers.slice(0, maxBlockers).map(({ id, name, code, message, subscriberCount, help }) => {
    const subject = name === undefined ? `group ${id}` : `group ${id} ${name}`;
    const count = subscriberCount === undefined ? '' : `: ${subscriberCount} active`;
    return `  ${subject}: ${message}${count} (${code})${help === undefined ? '' : `; to continue: ${help}`}`;
  });
  return blockers.length > maxBlockers ? [...lines, `  and ${blockers.length - maxBlockers} more`] : lines;
}

function describeAsJson(error: unknown): string {
  if (error instanceof AppError) return writeErrorJson(error.code, error.message, error.details);
  if (error instanceof OperatorError) return writeErrorJson('COMMAND_FAILED', error.message);
  return writeErrorJson('INTERNAL_SERVER_ERROR', (error as Error).stack ?? String(error));
}
