import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { writeCapture } from '../support/capture.ts';
import { readBlocks } from '../support/documented-commands.ts';
import { hasFreeRadius } from '../support/freeradius.ts';
import { openNas, type NasRequest, type TestNas } from '../support/nas.ts';
import { nas as place, useRadiusApp } from '../support/radius-network.ts';
import { useTestFolder } from '../support/test-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

// Sessions that FreeRADIUS has accepted and stored in its accounting, while the server changes their plans. A socket is the NAS.

const testIfInstalled = hasFreeRadius ? test : test.skip;
const folder = useTestFolder();
let nas: TestNas;
afterAll(() => nas?.close());
const app = useRadiusApp(async (network) => {
  nas = await openNas(place);
  for (const { text } of await readBlocks('docs/radius.md', 'Running sessions')) await network.run(text);
  return { RADIUS_DISCONNECT: true, RADIUS_CHANGE: 'coa', RADIUS_COA_PORT: nas.port };
});

const call = async (operation: string, args: object): Promise<void> => {
  const { status, body } = await app.post(`/${operation}`, args);
  expect([status, body.errors]).toStrictEqual([200, undefined]);
};
/** Opens a session of a user, whom the plan admits. */
const open = async (user: string, groupId: number) => {
  await call('subscribe', { username: user, groupId });
  await app.addPassword(user);
  expect((await app.signIn(user)).code).toBe('Access-Accept');
  await app.account(user, 'Start', `session-of-${user}`);
};
const requestsOf = (user: string) =>
  nas.requests.filter(({ attributes }) => attributes['User-Name'] === user);
/** Waits for the only request about a user, and returns what radsniff prints about it. */
const readRequestOf = async (user: string): Promise<string[]> => {
  await waitUntil(() => requestsOf(user).length > 0);
  const requests = requestsOf(user);
  expect(requests.map(({ isAuthentic }) => isAuthentic)).toStrictEqual([true]);
  return decode(requests[0]!);
};
const decode = async ({ bytes }: NasRequest): Promise<string[]> => {
  const file = join(folder, 'request.pcap');
  const datagram = {
    source: { address: [127, 0, 0, 1], port: 40_000 },
    target: { address: [127, 0, 0, 2], port: 3799 },
    payload: bytes,
  };
  await writeFile(file, writeCapture([datagram]));
  const args = ['-I', file, '-p', '3799', '-s', nas.secret, '-x'];
  // Its exit code is 1 without a response in the file.
  const stdout = await new Promise<string>((resolve) => {
    execFile('radsniff', args, (_error, output) => resolve(output));
  });
  const [, code] = /\(1\) (\S+) Id/.exec(stdout)!;
  const attributes = [...stdout.matchAll(/^\t(\S+ = .*)$/gm)].map(([, attribute]) => attribute!);
  return [code!, ...attributes.filter((line) => !/^(Message|Authenticator)/.test(line))];
};
const sessionOf = (user: string) => [
  `Acct-Session-Id = "session-of-${user}"`,
  `NAS-IP-Address = ${nas.address}`,
  `User-Name = "${user}"`,
];

testIfInstalled(
  'a removal sends a Disconnect-Request for the open session; after its end, none',
  async () => {
    const id = await app.createGroup({ downloadUpload: '10/1', multiLoginCount: 0 });
    await open('leaving', id);
    await open('gone', id);
    await app.account('gone', 'Stop', 'session-of-gone');
    await call('removeUserSubscription', { username: 'gone', groupId: id });
    await call('removeUserSubscription', { username: 'leaving', groupId: id });
    const [code, ...attributes] = await readRequestOf('leaving');
    expect([code, attributes.toSorted()]).toStrictEqual(['Disconnect-Request', sessionOf('leaving')]);
    expect((await app.signIn('leaving')).code).toBe('Access-Reject');
    expect(requestsOf('gone')).toStrictEqual([]);
  },
);

testIfInstalled(
  'a delete that moves, and an edit, send a CoA-Request with what the next login gets',
  async () => {
    const from = await app.createGroup({ downloadUpload: '10/1', multiLoginCount: 0 });
    const to = await app.createGroup({ downloadUpload: '20/2', multiLoginCount: 0 });
    await open('moved', from);
    await call('deleteGroup', { id: from, moveSubscribersTo: to });
    const expectNextLogin = async ([code, ...attributes]: string[]) => {
      const { attributes: replies } = await app.signIn('moved');
      expect([code, attributes.toSorted()]).toStrictEqual([
        'CoA-Request',
        [...replies, ...sessionOf('moved')].toSorted(),
      ]);
    };
    await expectNextLogin(await readRequestOf('moved'));

    nas.requests.length = 0;
    await call('editGroup', { id: to, group: { downloadUpload: '30/3' } });
    const edited = await readRequestOf('moved');
    expect(edited).toContain('Mikrotik-Rate-Limit = "3M/30M"');
    await expectNextLogin(edited);
  },
);
