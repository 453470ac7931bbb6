import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { hasPgBouncer } from '../support/pgbouncer.js';

/** On Debian its folder is in the PATH of root only. */
const hasHaproxy = ['haproxy', '/usr/sbin/haproxy'].some((name) => spawnSync(name, ['-v']).status === 0);
const testUnlessMissing = hasPgBouncer && hasHaproxy ? test : test.skip;
const requestCount = 400;
/** On a machine that runs twenty other programs, 600 requests took four minutes, most of them the start. */
const limitMs = 1_200_000;

testUnlessMissing(
  `${requestCount} requests of mixed load over HAProxy, two servers and PgBouncer have no error; the database has what the clients know, and one audit event for each call`,
  async () => {
    const args = ['--requests', String(requestCount), '--connections', '8', '--patient'];
    const child = spawn(process.execPath, ['bench/soak.js', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    try {
      let report = '';
      let log = '';
      child.stdout.on('data', (chunk: Buffer) => (report += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number | null];
      expect({ code, log }).toMatchObject({ code: 0 });
      expect(report).toContain(`**0 errors** in ${requestCount} operations`);
      const differences = [
        ...report.matchAll(/^\| ((?:orphans|calls|groups|subscriptions).*?) \| (\d+) \|$/gm),
      ];
      expect(differences.map(([, , count]) => count)).toStrictEqual(['0', '0', '0', '0', '0']);
      for (const kind of ['deleteGroup, moving', 'deleteGroups of 3', 'deleteGroup, repeated'])
        expect(report).toMatch(new RegExp(`^\\| ${kind} \\| [1-9]`, 'm'));
    } finally {
      // It ends its processes itself.
      if (child.exitCode === null) child.kill('SIGTERM');
    }
  },
  limitMs,
);
