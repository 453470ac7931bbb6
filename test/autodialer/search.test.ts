import { beforeAll, describe, expect, test } from '@jest/globals';
import { createAutodialerClient, groupsPath } from '../support/autodialer.ts';
import { useTestApp } from '../support/test-app.ts';

describe('search', () => {
  const searched = useTestApp({ AUTODIALER_TIME_ZONE: 'UTC' });
  const { call: ask } = createAutodialerClient(() => searched);
  const search = async (body: object) => {
    const { status, body: answer } = await ask('search', body);
    expect([status, answer.success, answer.message]).toStrictEqual([200, 1, '']);
    return answer.data;
  };
  const namesOf = async (body: object) => (await search(body)).data.map(({ name }: { name: string }) => name);

  beforeAll(async () => {
    const rows = [
      ['000000000000000000000001', 'alpha', 'first 100%', 3, '2021-03-08T13:28:50Z'],
      ['000000000000000000000002', 'Alphabet', 'second', 1, '2021-03-20T20:30:00Z'],
      ['000000000000000000000003', 'beta', 'first 1000', 2, '2021-03-21T00:00:00Z'],
      ['000000000000000000000004', 'گروه', 'چهارم', 2, '2025-03-20T23:59:59Z'],
    ];
    for (const row of rows)
      await searched.sql(
        `WITH list AS (INSERT INTO number_lists (unused_since) VALUES (NULL) RETURNING id)
         INSERT INTO number_groups (id, name, description, count, created_at, list_id)
         SELECT $1, $2, $3, $4, $5, id FROM list`,
        row,
      );
  });

  test("search returns the vendor's documented response", async () => {
    const { body } = await ask('search', {
      alike: 'true',
      conditions: { name: '', description: '' },
      pagination: { start: 0, count: 2, sorting: { date: -1 } },
    });
    expect(body).toStrictEqual({
      success: 1,
      message: '',
      data: {
        pagination: { start: 0, count: 2, sorting: { date: -1 }, total: 4 },
        data: [
          {
            _id: '000000000000000000000004',
            name: 'گروه',
            description: 'چهارم',
            count: 2,
            date: '1403-12-30 23:59:59',
          },
          {
            _id: '000000000000000000000003',
            name: 'beta',
            description: 'first 1000',
            count: 2,
            date: '1400-01-01 00:00:00',
          },
        ],
      },
    });
  });

  test('search without a filter, or by GET with a body, returns all groups, latest first', async () => {
    const names = ['گروه', 'beta', 'Alphabet', 'alpha'];
    expect(await namesOf({})).toStrictEqual(names);
    const { request } = await import('node:http');
    const text = await new Promise<string>((resolve, reject) => {
      const sent = request(`${searched.httpUrl}${groupsPath}/search`, {
        method: 'GET',
        headers: {
          'X-APIKEY': 'a-key-for-tests-of-forty-characters-....',
          'Content-Type': 'application/json',
        },
      });
      sent.on('response', (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve(body));
      });
      sent.on('error', reject);
      sent.setHeader('Content-Length', 2);
      sent.end('{}');
    });
    expect(JSON.parse(text).data.data.map(({ name }: { name: string }) => name)).toStrictEqual(names);
  });

  test.each([
    [{ alike: true, conditions: { name: 'alpha' } }, ['Alphabet', 'alpha']],
    [{ alike: 'true', conditions: { name: 'ALPHA' } }, ['Alphabet', 'alpha']],
    [{ conditions: { name: ' lph ' } }, ['Alphabet', 'alpha']],
    [{ alike: false, conditions: { name: 'alpha' } }, ['alpha']],
    [{ alike: 'false', conditions: { name: 'Alpha' } }, []],
    [{ alike: false, conditions: { name: '' } }, ['گروه', 'beta', 'Alphabet', 'alpha']],
    [{ conditions: { description: '100%' } }, ['alpha']],
    [{ conditions: { description: '_' } }, []],
    [{ conditions: { description: '\\' } }, []],
    [{ conditions: { name: 'a', description: 'first' } }, ['beta', 'alpha']],
    [{ alike: false, conditions: { name: 'beta', description: 'first 1000' } }, ['beta']],
    [{ conditions: { name: 'رو' } }, ['گروه']],
    [{ pagination: { sorting: { name: 1 } } }, ['Alphabet', 'alpha', 'beta', 'گروه'].toSorted()],
    [{ pagination: { sorting: { count: 1 } } }, ['Alphabet', 'beta', 'گروه', 'alpha']],
    [{ pagination: { sorting: { count: -1 } } }, ['alpha', 'گروه', 'beta', 'Alphabet']],
    [{ pagination: { sorting: { count: 1, _id: -1 } } }, ['Alphabet', 'گروه', 'beta', 'alpha']],
    [{ pagination: { sorting: { description: -1 }, count: 1 } }, ['گروه']],
    [{ pagination: { sorting: { _id: 1 }, start: 1, count: 2 } }, ['Alphabet', 'beta']],
    [{ pagination: { start: 4 } }, []],
  ])('search with %j returns %j', async (body, names) => {
    expect(await namesOf(body)).toStrictEqual(names);
  });

  test.each([['name'], ['description']])(
    'search for a rare %s among thousands uses the index, in any alphabet',
    async (column) => {
      await searched.sql(`WITH lists AS (INSERT INTO number_lists (unused_since) SELECT NULL FROM generate_series(1, 20000) RETURNING id)
      INSERT INTO number_groups (id, name, description, count, list_id)
      SELECT 'f' || lpad(to_hex(id), 23, '0'), 'گروه تست ' || id, 'توضیح ' || id, 0, id FROM lists`);
      await searched.sql('VACUUM ANALYZE number_groups');
      const rows = await searched.sql<{ 'QUERY PLAN': string }>(
        `EXPLAIN SELECT count(*) FROM number_groups WHERE ${column}_key LIKE lower('%نایاب%')`,
      );
      expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain(`number_groups_${column}_key_idx`);
      expect(await searched.sql(`SELECT show_trgm('گروه') <> '{}' AS known`)).toStrictEqual([
        { known: true },
      ]);
      await searched.sql(`DELETE FROM number_groups WHERE id LIKE 'f%'`);
    },
  );

  test('search returns the total of all pages', async () => {
    expect((await search({ pagination: { start: 100, count: 1 } })).pagination.total).toBe(4);
    expect(
      (await search({ conditions: { name: 'alp' }, pagination: { count: 1 } })).pagination,
    ).toStrictEqual({
      start: 0,
      count: 1,
      sorting: { date: -1 },
      total: 2,
    });
  });
});
