import { future } from './probes.ts';
import type { Json, TestApp } from './test-app.ts';

/** One call of an operation: the variables of the API, and the arguments of the command that does the same. */
type Call = { readonly variables: object; readonly args: readonly (string | number)[] };

/** The command that does the same as a root field of the schema. */
export type CommandRow = {
  readonly command: string;
  /** The options and arguments whose names are not those of the API in kebab case. */
  readonly options?: Readonly<Record<string, string>>;
  /** Prepares a call that succeeds. A mutation gets a new state for each call, equal but for its ids. */
  readonly prepare: (app: TestApp) => Promise<Call>;
  /** What the command prints with --json, from the result of the API. */
  readonly toJson?: (result: Json) => unknown;
  /** What the table has, besides other text. */
  readonly shows: readonly RegExp[];
  /** Arguments with which a mutation is rejected, and the code. */
  readonly rejected?: readonly [code: string, ...args: string[]];
};

export const unknownId = '2000000000';
export const fields = {
  name: 'Gold',
  description: 'Two\nlines',
  tagName: 'gold',
  duration: 30,
  price: '29.9',
  usernamePostfix: '-g',
  usernamePostfixId: '5',
  dailyBandwidth: '10GB',
  multiLoginCount: 2,
  downloadUpload: '100/100',
  ip: '192.0.2.0/24',
  hidden: true,
  protected: true,
};
export const groupArgs = (group: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(group).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    String(value),
  ]);

export async function call(app: TestApp, name: string, variables: object): Promise<Json> {
  const { status, body } = await app.post(`/${name}`, variables);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body.data[name];
}
export const createServiceGroup = async (app: TestApp): Promise<number> =>
  (await call(app, 'createServiceGroup', { serviceGroup: { name: 'Family', language: 'fa' } })).id;
const subscribe = (app: TestApp, groupId: number, username: string, dates: object = {}) =>
  call(app, 'subscribe', { groupId, username, ...dates });

/** A group of a service group with a running and a pending subscriber. */
export async function createGroupWithSubscribers(app: TestApp): Promise<number> {
  const serviceGroupId = await createServiceGroup(app);
  const id = await app.createGroup({ name: 'Gold', serviceGroupId });
  await subscribe(app, id, 'ali');
  await subscribe(app, id, 'mina', { startsAt: future });
  return id;
}
export async function createDeletedGroup(app: TestApp): Promise<number> {
  const serviceGroupId = await createServiceGroup(app);
  const id = await app.createGroup({ name: 'Gold', serviceGroupId });
  await call(app, 'deleteGroup', { id, reason: 'spring\ncleaning' });
  return id;
}
