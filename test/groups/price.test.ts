import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { plainGroup, useTestApp, type Json } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

const app = useTestApp();
const folder = useTestFolder();

/**
 * Prices that a floating-point number cannot represent, or formats differently; each with the next lower and higher
 * price.
 */
const prices = [
  ['999999999999.0003', '999999999999.0002', '999999999999.0004'],
  ['999999999999.9998', '999999999999.9997', '999999999999.9999'],
  ['123456789012.3456', '123456789012.3455', '123456789012.3457'],
  ['0.0001', '0.00', '0.0002'],
  ['0.1003', '0.1002', '0.1004'],
  ['4503599627.3705', '4503599627.3704', '4503599627.3706'],
] as const;
let nameNumber = 0;
const nextTag = () => `price-${++nameNumber}`;

/** Compares decimals as integers of ten-thousandths. */
const compare = (one: string, other: string) => {
  const units = (price: string) => {
    const [whole, fraction = ''] = price.split('.');
    return BigInt(whole! + fraction.padEnd(4, '0'));
  };
  return units(one) < units(other) ? -1 : 1;
};

const search = async (tagName: string, filter: object, page: object = {}): Promise<Json> => {
  const { body } = await app.graphql(
    `query ($filter: GroupFilter, $orderBy: GroupOrder, $first: Int, $after: String) {
      searchGroups(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
        nodes { price } pageInfo { hasNextPage endCursor } totalCount } }`,
    { filter: { tagName, ...filter }, ...page },
  );
  expect(body.errors).toBeUndefined();
  return body.data.searchGroups;
};
const lastAudit = async (id: number) => {
  const { body } = await app.graphql(
    `query ($filter: AuditFilter) { auditEvents(filter: $filter, first: 1) { nodes { before after } } }`,
    { filter: { targetId: String(id) } },
  );
  return body.data.auditEvents.nodes[0];
};

describe.each(prices)('the price %s', (price, below, above) => {
  test('the price is exact in every response: create, edit, read, delete, archive, restore, and the audit of each', async () => {
    const created = await app.post('/createGroup', { group: { ...plainGroup, price } });
    const { id } = created.body.data.createGroup;
    expect(created.body.data.createGroup.price).toBe(price);
    expect((await lastAudit(id)).after.price).toBe(price);
    expect(
      await app.sql('SELECT trim_scale(price) = $2::numeric AS is_exact FROM groups WHERE id = $1', [
        id,
        price,
      ]),
    ).toStrictEqual([{ is_exact: true }]);

    const edited = await app.post('/editGroup', { id, group: { price: above } });
    expect(edited.body.data.editGroup.price).toBe(above);
    expect(await lastAudit(id)).toMatchObject({ before: { price }, after: { price: above } });
    expect((await app.post('/editGroup', { id, group: { price } })).body.data.editGroup.price).toBe(price);
    expect((await app.post('/group', { id })).body.data.group.price).toBe(price);
    const all = await app.graphql('{ allGroups { id price } }');
    expect(all.body.data.allGroups).toContainEqual({ id, price });

    const key = { 'Idempotency-Key': `price ${price}` };
    for (let call = 0; call < 2; call++)
      expect((await app.post('/deleteGroup', { id }, key)).body.data.deleteGroup.price).toBe(price);
    const archived = await app.graphql(`{ deletedGroup(id: ${id}) { group { price } } }`);
    expect(archived.body.data.deletedGroup.group.price).toBe(price);
    const { body } = await app.graphql(
      `query ($filter: AuditFilter) { auditEvents(filter: $filter) { nodes { before } } }`,
      { filter: { targetId: String(id), operation: 'deleteGroup', outcome: 'done' } },
    );
    expect(body.data.auditEvents.nodes).toMatchObject([{ before: { price } }]);

    expect((await app.post('/restoreGroup', { id })).body.data.restoreGroup.price).toBe(price);
    expect((await lastAudit(id)).after.price).toBe(price);
    const many = await app.post('/deleteGroups', { ids: [id] });
    expect(many.body.data.deleteGroups[0].price).toBe(price);
    expect((await lastAudit(id)).before[0].price).toBe(price);
  });

  test('minPrice and maxPrice compare the price exactly', async () => {
    const tagName = nextTag();
    await app.createGroup({ tagName, price });
    const count = async (filter: object) => (await search(tagName, filter)).totalCount;
    expect(await count({ minPrice: price, maxPrice: price })).toBe(1);
    expect(await count({ minPrice: below })).toBe(1);
    expect(await count({ minPrice: above })).toBe(0);
    expect(await count({ maxPrice: below })).toBe(0);
    expect(await count({ maxPrice: above })).toBe(1);
  });
});

test.each(['ASC', 'DESC'])('the pages ordered by PRICE %s have each price once', async (direction) => {
  const tagName = nextTag();
  const inOrder = prices
    .flatMap(([price, below, above]) => [below, price, above])
    .toSorted((one, other) => compare(one, other) * (direction === 'ASC' ? 1 : -1));
  for (const price of inOrder.toSorted()) await app.createGroup({ tagName, price });
  const seen: string[] = [];
  for (let after: string | null = null; ;) {
    const { nodes, pageInfo } = await search(
      tagName,
      {},
      { orderBy: { field: 'PRICE', direction }, first: 1, after },
    );
    seen.push(...nodes.map(({ price }: Json) => price));
    if (!pageInfo.hasNextPage) break;
    after = pageInfo.endCursor;
  }
  expect(seen).toStrictEqual(inOrder);
});

test('prices are exact on the command line: list, delete, export and import', async () => {
  await app.sql('TRUNCATE groups, deleted_groups CASCADE');
  const exactPrices = prices.map(([price]) => price);
  const ids: number[] = [];
  for (const price of exactPrices) ids.push(await app.createGroup({ price }));
  const here = createCommandLine(() => app);
  const listed = await here.run('groups', 'list', '--json');
  expect(JSON.parse(listed.stdout).groups.map(({ price }: Json) => price)).toStrictEqual(exactPrices);
  for (const price of exactPrices) expect((await here.run('groups', 'list')).stdout).toContain(price);
  const deleted = await here.run('groups', 'delete', String(ids[0]), '--yes', '--json');
  expect(JSON.parse(deleted.stdout).groups[0].price).toBe(exactPrices[0]);

  const file = join(folder, 'plans.ndjson');
  expect(await here.run('groups', 'export', file)).toMatchObject({ code: 0 });
  const lines = (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const exported = lines.filter(({ kind }) => kind === 'group').map(({ price }) => price);
  expect(exported).toStrictEqual(exactPrices.slice(1));
  expect(lines.find(({ kind }) => kind === 'deletedGroup').group.price).toBe(exactPrices[0]);

  const other: TestDatabase = await createTestDatabase();
  try {
    expect(await createCommandLine(() => other).run('groups', 'import', file)).toMatchObject({ code: 0 });
    const rows = await other.sql(
      `SELECT group_row(groups) ->> 'price' AS price FROM groups
       UNION ALL SELECT group_row ->> 'price' FROM deleted_groups`,
    );
    expect(rows.map(({ price }) => String(price)).toSorted(compare)).toStrictEqual(
      exactPrices.toSorted(compare),
    );
    // A price that differs in the last digit is a conflict.
    const [, above] = [exactPrices[1], prices[1][2]];
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace(`"price":"${exactPrices[1]}"`, `"price":"${above}"`),
    );
    const again = await createCommandLine(() => other).run('groups', 'import', file);
    expect([again.code, again.stderr]).toStrictEqual([
      1,
      expect.stringContaining(`group ${ids[1]} exists with different content`),
    ]);
  } finally {
    await other.drop();
  }
});
