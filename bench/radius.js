// node bench/radius.js [--groups 1000000] [--users 2000]: how long the queries take by which FreeRADIUS authorizes one user,
// with five subscribers a group. They are those of deploy/freeradius, one after the other on one connection, in simple
// queries without prepared statements, as FreeRADIUS sends them. Prints the plan of each. Requires `npm run build`.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { openBenchDatabase } from './database.js';

const { values: options } = parseArgs({
  options: {
    groups: { type: 'string', default: '1000000' },
    users: { type: 'string', default: '2000' },
  },
});
const groupCount = Number(options.groups);
const subscribersOfGroup = 5;
const userCount = Number(options.users);
const warmUpUsers = 200;

const settings = await readFile(new URL('../deploy/freeradius/mods-enabled/plans', import.meta.url), 'utf8');
const queries = [...settings.matchAll(/^\t(\w+_query) = "\\\n\t\t(.*)"$/gm)].map(([, name, text]) => ({
  name,
  text,
}));
if (queries.length !== 4) throw new Error(`${queries.length} queries in deploy/freeradius instead of 4`);

const database = await openBenchDatabase(groupCount);
try {
  await database.sql(
    `UPDATE groups SET download_upload = '100/20', daily_bandwidth = '10GB', multi_login_count = 2`,
  );
  await database.sql(
    `INSERT INTO subscribers (group_id, username, starts_at, expires_at)
     SELECT g, 'user' || g || '-' || k, now() - interval '1 day', now() + interval '30 days'
     FROM generate_series(1, $1::int) g, generate_series(1, $2::int) k`,
    [groupCount, subscribersOfGroup],
  );
  await database.sql('VACUUM ANALYZE groups, subscribers');
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const write = ({ text }, { username, group }) =>
    text
      .replace(
        '${user_name}',
        `convert_from(decode('${Buffer.from(username).toString('hex')}', 'hex'), 'UTF8')`,
      )
      .replace("'%{${group_attribute}}'", client.escapeLiteral(group));
  const choose = () => {
    const id = 1 + Math.floor(Math.random() * groupCount);
    const number = 1 + Math.floor(Math.random() * subscribersOfGroup);
    return { username: `user${id}-${number}@${id % 10}`, group: `group-${id}` };
  };

  const times = [];
  for (let count = 0; count < warmUpUsers + userCount; count++) {
    const user = choose();
    const startedAt = performance.now();
    for (const query of queries) {
      const { rowCount } = await client.query(write(query, user));
      if (rowCount === 0) throw new Error(`${query.name} has no row for ${user.username}`);
    }
    if (count >= warmUpUsers) times.push(performance.now() - startedAt);
  }
  times.sort((one, other) => one - other);
  const at = (part) => `${times[Math.floor(part * times.length)].toFixed(2)} ms`;
  console.log(
    `${groupCount.toLocaleString('en')} groups, ${(groupCount * subscribersOfGroup).toLocaleString('en')} subscribers: ` +
      `one user's ${queries.length} queries p50 ${at(0.5)}, p99 ${at(0.99)}`,
  );

  const user = choose();
  for (const query of queries) {
    // The function has its statement; auto_explain prints the plan of that.
    const plans = [];
    client.on('notice', ({ message }) => plans.push(message));
    await client.query(
      `LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;
       SET auto_explain.log_analyze = on; SET auto_explain.log_level = notice`,
    );
    await client.query(write(query, user));
    client.removeAllListeners('notice');
    console.log(`\n${query.name}\n${plans.join('\n')}`);
  }
  await client.end();
} finally {
  await database.close();
}
