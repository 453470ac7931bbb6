import { beforeAll, describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createProbes } from '../support/probes.ts';
import { groupFields, useTestApp } from '../support/test-app.ts';

const app = useTestApp();

const { run } = createCommandLine(() => app);
const { subscribe } = createProbes(() => app);

const createServiceGroup = async (name: string): Promise<number> =>
  (await app.post('/createServiceGroup', { serviceGroup: { name } })).body.data.createServiceGroup.id;

describe('groups list', () => {
  let serviceGroupId: number;
  let ids: number[];
  beforeAll(async () => {
    serviceGroupId = await createServiceGroup('Listed');
    ids = [];
    for (const name of ["It's one", 'Two', 'Three'])
      ids.push(await app.createGroup({ name, tagName: 'listed', serviceGroupId, hidden: name === 'Two' }));
    await subscribe(ids[0]!, 'ali');
  });

  test('groups list --json prints the groups as the API returns them', async () => {
    const { code, stdout, stderr } = await run('groups', 'list', '--tag-name', 'listed', '--json');
    const query = `{ searchGroups(filter: { tagName: "listed" }) { groups: nodes { ${groupFields} radiusAttributes { attribute op value } } pageInfo { hasNextPage endCursor } } }`;
    const { body } = await app.graphql(query);
    expect([code, stderr]).toStrictEqual([0, '']);
    expect(JSON.parse(stdout)).toStrictEqual(body.data.searchGroups);
  });

  test('groups list prints a table, and the command for the next page with the same filters', async () => {
    const first = await run('groups', 'list', '--text', "It's", '--service-group', String(serviceGroupId));
    expect(first).toStrictEqual({
      code: 0,
      stderr: '',
      stdout: [
        'ID  NAME      TAG     DAYS  PRICE  SERVICE GROUP  SUBSCRIBERS  FLAGS',
        `${ids[0]}   It's one  listed  30    9.90   ${serviceGroupId} Listed       1\n`,
      ].join('\n'),
    });

    const page = await run('groups', 'list', '--tag-name', 'listed', '--first', '2');
    const [, next] = /\n\nNext page: group-api (groups list .*)\n$/.exec(page.stdout)!;
    expect(next).toMatch(/^groups list --tag-name listed --first 2 --after [\w-]+$/);
    const rest = await run(...next!.split(' '));
    expect(rest.stdout).toMatch(new RegExp(`^ID .*\\n${ids[2]} +Three .*\\n$`));
    expect(page.stdout).toMatch(new RegExp(`^${ids[1]} +Two .* hidden$`, 'm'));
  });

  test.each([
    [['--first', '201'], '--first must be a whole number from 1 to 200, not 201 (BAD_USER_INPUT)'],
    [['--first', 'ten'], '--first must be a whole number from 1 to 200, not "ten" (BAD_USER_INPUT)'],
    [
      ['--service-group', '0'],
      'Service group id must be a positive integer: --service-group is 0 (BAD_USER_INPUT)',
    ],
    [['--min-price', 'x'], /^group-api: --min-price must be .* "x" \(BAD_USER_INPUT\)\n$/],
    [['--min-duration', 'x'], /^group-api: --min-duration must be .* "x" \(BAD_USER_INPUT\)\n$/],
    [['--after', 'x'], '--after must be a cursor from a list with the same order (BAD_USER_INPUT)'],
  ])('groups list rejects the options %j', async (options, message) => {
    expect(await run('groups', 'list', ...options)).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: typeof message === 'string' ? `group-api: ${message}\n` : expect.stringMatching(message),
    });
  });
});
