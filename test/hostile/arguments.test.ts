import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isListType,
  isObjectType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLObjectType,
} from 'graphql';
import { createSchema } from '../../src/graphql/schema.ts';
import { anyNumber, anyText, anything } from '../support/hostile-values.ts';
import { createProbes } from '../support/probes.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { openTestApp, testKey, type TestApp } from '../support/test-app.ts';

// Fuzzing: hostile values for every argument of every operation and of the fields below it cause no internal error and
// change nothing, and the memory of the server, a separate process, stays bounded. New arguments are included
// automatically.
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const runsPerArgument = 60;
const { readState } = createProbes(() => app);
let app: TestApp;
let server: ServerProcess;
let url: string;
let before: unknown;
let requests = 0;
let earlyMemoryMb: number | undefined;

beforeAll(async () => {
  app = await openTestApp();
  const serviceGroup = await app.post('/createServiceGroup', { serviceGroup: { name: 'Family' } });
  const group = { serviceGroupId: serviceGroup.body.data.createServiceGroup.id, protected: true };
  for (const groupId of [await app.createGroup(group), await app.createGroup(group)])
    await app.post('/subscribe', { username: `user of ${groupId}`, groupId });
  before = await readState();
  // With a small heap garbage is collected early, and a leak ends the server.
  const settings = { DATABASE_URL: app.url, ADMIN_API_KEY: testKey, LOG_LEVEL: 'error' };
  server = startServer(settings, ['--max-old-space-size=80', '--max-semi-space-size=4']);
  ({ url } = await server.ready);
});
afterAll(async () => {
  server.kill('SIGTERM');
  const { stderr } = await server.exited;
  await app.close();
  expect(stderr).toBe('');
});

/** Arguments that make a mutation fail whatever the fuzzed argument is, so that it changes nothing. */
const failingArguments: Record<string, Record<string, unknown>> = {
  // All values are parsed, and then the foreign key rejects the row.
  createGroup: {
    group: { name: 'n', tagName: 't', duration: 1, price: '1', serviceGroupId: 2_000_000_000 },
  },
  editGroup: { id: 2_000_000_000, group: { name: 'n' } },
  createServiceGroup: { serviceGroup: { name: 'n', discount: -1 } },
  editServiceGroup: { id: 2_000_000_000, serviceGroup: { name: 'n' } },
  subscribe: { username: 'u', groupId: 2_000_000_000 },
  moveSubscribers: { fromGroupId: 1, toGroupId: 2_000_000_000 },
  removeUserSubscription: { username: 'nobody', groupId: 1 },
};
/** The same if the fuzzed argument is the one that should fail. */
const otherFailingArguments: Record<string, Record<string, unknown>> = {
  'createGroup group.serviceGroupId': { group: { name: 'n', tagName: 't', duration: -1 } },
  'createGroup group': {},
  'editGroup id': { group: { duration: -1 } },
  'createServiceGroup serviceGroup.discount': { serviceGroup: { name: '' } },
  'createServiceGroup serviceGroup': {},
  'editServiceGroup id': { serviceGroup: { discount: -1 } },
  'subscribe groupId': { username: '' },
  'moveSubscribers toGroupId': { fromGroupId: 2_000_000_000 },
  'removeUserSubscription username': { groupId: 2_000_000_000 },
};

/** Mostly values of the argument's type, so that the checks after the type are reached. */
function valuesOf(type: GraphQLInputType): fc.Arbitrary<unknown> {
  const nullable = getNullableType(type);
  const named = getNamedType(type);
  if (isListType(nullable))
    return fc.oneof(
      { weight: 4, arbitrary: fc.array(anyNumber, { maxLength: 40 }) },
      { weight: 1, arbitrary: anything },
    );
  const own = isInputObjectType(named)
    ? fc.dictionary(fc.constantFrom(...Object.keys(named.getFields()), '__proto__', 'x'), anything)
    : isEnumType(named)
      ? fc.constantFrom(...named.getValues().map(({ name }) => name))
      : ['Int', 'Float'].includes(named.name)
        ? anyNumber
        : named.name === 'Boolean'
          ? fc.boolean()
          : anyText;
  return fc.oneof({ weight: 4, arbitrary: own }, { weight: 1, arbitrary: anything });
}

type Tried = { path: string[]; type: GraphQLInputType };
function argumentsOf(args: readonly (GraphQLArgument | GraphQLInputField)[], within: string[] = []): Tried[] {
  return args.flatMap(({ name, type }) => {
    const path = [...within, name];
    const named = getNamedType(type);
    const inner = isInputObjectType(named) ? argumentsOf(Object.values(named.getFields()), path) : [];
    return [{ path, type }, ...inner];
  });
}

const schema = createSchema();
/** The path to a field that is not a root field. */
const wayTo: Record<string, (field: string) => string> = {
  Query: (field) => field,
  Mutation: (field) => field,
  Subscription: (field) => field,
  Group: (field) => `allGroups { ${field} }`,
};
const objects = Object.values(schema.getTypeMap()).filter(
  (type): type is GraphQLObjectType => isObjectType(type) && !isIntrospectionType(type),
);
const tried = objects.flatMap((parent) =>
  Object.values(parent.getFields()).flatMap((field) =>
    argumentsOf(field.args).map(({ path, type }) => ({
      parent: parent.name,
      field,
      path,
      type,
      name: `${field.name} ${path.join('.')}`,
    })),
  ),
);

/** The errors of a response; those of a stream are in its first event. */
async function readErrors(response: Response): Promise<{ extensions: { code: string } }[]> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
    return ((await response.json()) as { errors?: [] }).errors ?? [];
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('\n\n')) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  await reader.cancel();
  const [, data = '{}'] = /^data: (.+)$/m.exec(text) ?? [];
  return JSON.parse(data).errors ?? [];
}

/** The selection of a field; of a connection its total and nodes too. */
const selectionOf = ({ type }: GraphQLField<unknown, unknown>) =>
  getNamedType(type).name.endsWith('Connection') ? '{ totalCount nodes { __typename } }' : '{ __typename }';

describe('hostile values', () => {
  test.each(tried)(
    'hostile values for $name cause no internal error, and change nothing',
    async ({ parent, field, path, type, name }) => {
      const declared = field.args
        .map((argument) => `$${argument.name}: ${String(getNullableType(argument.type))}`)
        .join(', ');
      const passed = field.args.map((argument) => `${argument.name}: $${argument.name}`).join(', ');
      const asked = wayTo[parent]!(`${field.name}(${passed}) ${selectionOf(field)}`);
      const kind = parent === 'Group' ? 'query' : parent.toLowerCase();
      const accepted = parent === 'Subscription' ? 'text/event-stream' : 'application/json';
      const query = `${kind} (${declared}) { ${asked} }`;
      const failing = otherFailingArguments[name] ?? failingArguments[field.name] ?? {};

      await fc.assert(
        fc.asyncProperty(valuesOf(type), async (value) => {
          const variables = structuredClone(failing);
          let place = variables;
          for (const key of path.slice(0, -1)) place = (place[key] ??= {}) as Record<string, unknown>;
          // An empty input object creates nothing, nor does one with an invalid value.
          place[path.at(-1)!] = value;
          const response = await fetch(`${url}/graphql`, {
            method: 'POST',
            headers: { 'X-APIKEY': testKey, 'Content-Type': 'application/json', Accept: accepted },
            body: JSON.stringify({ query, variables }),
          });
          requests++;
          const errors = await readErrors(response);
          expect([response.status, ...errors.map(({ extensions }) => extensions.code)]).not.toContain(
            'INTERNAL_SERVER_ERROR',
          );
          expect(response.status).toBeLessThan(500);
        }),
        { seed, numRuns: runsPerArgument },
      );
      if (requests > 1500) earlyMemoryMb ??= server.memoryMb();
    },
  );

  test.each([
    'Idempotency-Key',
    'X-Request-Id',
    'User-Agent',
    'Accept',
    'Origin',
    'X-APIKEY',
    'Authorization',
  ])('hostile values in the header %s cause no internal error', async (name) => {
    const headerText = fc.string({
      unit: fc
        .integer({ min: 0x20, max: 0xff })
        .filter((code) => code !== 0x7f)
        .map((code) => String.fromCharCode(code)),
      maxLength: 400,
    });
    await fc.assert(
      fc.asyncProperty(headerText, async (value) => {
        const response = await fetch(`${url}/deleteGroup`, {
          method: 'POST',
          headers: { 'X-APIKEY': testKey, 'Content-Type': 'application/json', [name]: value.trim() },
          body: '{"id":2000000000}',
        });
        requests++;
        await response.text();
        expect(response.status).toBeLessThan(500);
      }),
      { seed, numRuns: 50 },
    );
  });

  test('hostile usernames, passwords and keys cause no internal error', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, anyText, async (username, password) => {
        const credentials = Buffer.from(`${username}:${password}`).toString('base64').slice(0, 8000);
        const response = await fetch(`${url}/deleteGroup`, {
          method: 'POST',
          headers: { Authorization: `Basic ${credentials}`, 'Content-Type': 'application/json' },
          body: '{"id":2000000000}',
        });
        requests++;
        await response.text();
        expect([401, 429]).toContain(response.status);
      }),
      { seed, numRuns: 60 },
    );
  });

  test('many hostile values were sent; they changed nothing, and memory stayed bounded', async () => {
    const memory = server.memoryMb();
    process.stdout.write(
      `hostile values: SEED=${seed}, ${requests} requests for ${tried.length} arguments, ${earlyMemoryMb?.toFixed()} MB after a third, ${memory.toFixed()} MB after all\n`,
    );
    expect(requests).toBeGreaterThanOrEqual(5000);
    expect(await readState()).toStrictEqual(before);
    expect(memory - earlyMemoryMb!).toBeLessThan(30);
  });
});
