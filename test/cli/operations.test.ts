import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getNamedType, isInputObjectType, type GraphQLArgument } from 'graphql';
import type { CommandRow } from '../support/command-row.ts';
import { commandTable } from '../support/command-table.ts';
import { createCommandLine, listCommands } from '../support/command-line.ts';
import { rootFields, schema, writeOperation } from '../support/selections.ts';
import { openTestApp, type Json, type TestApp } from '../support/test-app.ts';

// What the API can do, the command line can: one row of the table for each root field of the schema.

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const { run } = createCommandLine(() => app);
const mutations = schema.getMutationType()!.getFields();
const rows = Object.entries(commandTable);
const lastAuditEvent = async () =>
  (
    await app.sql(
      'SELECT id, credential, operation, outcome, error_code FROM audit_events ORDER BY id DESC LIMIT 1',
    )
  )[0];

/** The names of a field's arguments; those of an input object by the names of its fields. */
function namesOf(argument: GraphQLArgument): string[] {
  const type = getNamedType(argument.type);
  return isInputObjectType(type) ? Object.keys(type.getFields()) : [argument.name];
}

/** The argument or the option of a command for an argument of the API. */
function optionsOf({ options }: CommandRow, name: string): string[] {
  const kebab = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return [options?.[name] ?? `--${kebab}`, `<${name}>`, `<${name.replace(/s$/, '')}...>`, `[${name}]`];
}

test('the table has each root field of the schema, and no other', () => {
  expect(Object.keys(commandTable).toSorted()).toStrictEqual(rootFields.map(({ name }) => name).toSorted());
});

test('each command of the table exists', async () => {
  const commands = await listCommands(run);
  for (const [name, { command }] of rows)
    expect([name, command, commands.includes(command)]).toStrictEqual([name, command, true]);
});

test.each(rows)(
  'the command for %s has each argument of the API as an option or an argument',
  async (name, row) => {
    const { stdout: help } = await run(...row.command.split(' '), '--help');
    const field = rootFields.find((candidate) => candidate.name === name)!;
    for (const argument of field.args.flatMap(namesOf)) {
      const isThere = optionsOf(row, argument).some(
        (option) => help.includes(`${option} `) || help.includes(`${option}\n`),
      );
      expect([argument, isThere]).toStrictEqual([argument, true]);
    }
  },
);

/** Replaces what differs between two equal calls of a mutation: ids and dates. */
const withoutIds = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (key, item: unknown) => {
    if (key === 'id' || key === 'groupId') return 'id';
    if (key === 'value') return String(item).replace(/^group-\d+$/, 'group-id');
    return typeof item === 'string' && /^20(?!3)\d\d-.*Z$/.test(item) ? 'date' : item;
  });

async function callApi(name: string, variables: object): Promise<Json> {
  const { body } = await app.graphql(writeOperation(name, variables), variables);
  expect(body.errors).toBeUndefined();
  return body.data[name];
}

async function runCommand(row: CommandRow, args: readonly (string | number)[], ...more: string[]) {
  const { code, stdout, stderr } = await run(...row.command.split(' '), ...args.map(String), ...more);
  expect([code, stderr]).toStrictEqual([0, '']);
  return stdout;
}

describe('queries', () => {
  const queries = rows.filter(([name]) => !(name in mutations));
  test.each(queries)(
    'the command for %s prints what the API returns, as JSON and as a table',
    async (name, row) => {
      const { variables, args } = await row.prepare(app);
      const result = await callApi(name, variables);
      const json = JSON.parse(await runCommand(row, args, '--json'));
      expect(json).toStrictEqual(row.toJson?.(result) ?? result);
      const table = await runCommand(row, args);
      for (const pattern of row.shows) expect(table).toMatch(pattern);
    },
  );
});

describe('mutations', () => {
  const changes = rows.filter(([name]) => name in mutations);
  test.each(changes)(
    'the command for %s does and prints what the API does, as JSON and as a table, and is audited as a command',
    async (name, row) => {
      const [api, json, table] = [await row.prepare(app), await row.prepare(app), await row.prepare(app)];
      const result = withoutIds(await callApi(name, api.variables));
      const printed = JSON.parse(await runCommand(row, json.args, '--json'));
      expect(withoutIds(printed)).toStrictEqual(row.toJson?.(result) ?? result);
      expect(await lastAuditEvent()).toMatchObject({
        credential: 'command-line',
        operation: row.command,
        outcome: 'done',
      });
      const text = await runCommand(row, table.args);
      for (const pattern of row.shows) expect(text).toMatch(pattern);
    },
  );

  const rejected = changes.flatMap(([name, row]) =>
    row.rejected ? [[name, row, row.rejected] as const] : [],
  );
  test.each(rejected)(
    'a rejected command for %s is audited as a command',
    async (_name, row, [code, ...args]) => {
      const before = await lastAuditEvent();
      const { code: exitCode, stdout, stderr } = await run(...row.command.split(' '), ...args);
      expect([exitCode, stdout]).toStrictEqual([1, '']);
      expect(stderr).toContain(`(${code})`);
      const after = await lastAuditEvent();
      expect(after!['id']).not.toBe(before!['id']);
      expect(after).toMatchObject({
        credential: 'command-line',
        operation: row.command,
        outcome: 'refused',
        error_code: code,
      });
    },
  );
});
