import { beforeAll, afterAll, expect, test } from '@jest/globals';
import { readBlocks, withValue } from '../support/documented-commands.ts';
import { hasFreeRadius, parseResponse } from '../support/freeradius.ts';
import { openRadiusNetwork, type RadiusNetwork } from '../support/radius-network.ts';

// docs/radius.md: its commands, one after the other, with other folders and ports.

const testIfInstalled = hasFreeRadius ? test : test.skip;
let network: RadiusNetwork;
beforeAll(async () => {
  if (hasFreeRadius) network = await openRadiusNetwork();
}, 180_000);
afterAll(async () => {
  await network?.plans.drop();
  await network?.close();
});

testIfInstalled('the documented commands lead to an accepted user, whom a removal rejects', async () => {
  const [login, shown] = await readBlocks('docs/radius.md', 'A plan, a user, a login');
  const [prepare, radtest] = login!.text.split('sudo systemctl restart freeradius\n') as [string, string];
  await network.run(prepare);
  await network.restart();
  const run = async () =>
    parseResponse(
      await network.run(
        `${withValue(radtest, ' localhost ', ` 127.0.0.1:${network.radius().port} `)} || true`,
      ),
    );
  const withoutSeconds = (text: string) => text.replace(/(Session-Timeout = )\d+/, '$1…');
  const { code, attributes } = await run();
  const expected = parseResponse(shown!.text);
  expect([code, attributes.map(withoutSeconds)]).toStrictEqual([
    expected.code,
    expected.attributes.map(withoutSeconds),
  ]);
  await network.run('npx --no-install group-api subscribers remove ali --yes');
  expect(await run()).toStrictEqual({ code: 'Access-Reject', attributes: [] });
});
