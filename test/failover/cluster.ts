import { readFileSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { findFreePort } from '../support/tcp-postgres.ts';
import { testKey } from '../support/test-app.ts';
import { waitUntil } from '../support/wait-until.ts';
import { openNetworks } from './networks.ts';
import { binDir, openWorkshop, type Program } from './programs.ts';

const configs = fileURLToPath(new URL('../../deploy/ha/', import.meta.url));
const startLimit = { timeoutMs: 180_000 };
/** How long the cluster may take to repair itself. */
const repairLimit = { timeoutMs: 60_000 };
const passwords = {
  SUPERUSER_PASSWORD: 'superuser-of-the-rehearsal',
  REPLICATION_PASSWORD: 'replication-of-the-rehearsal',
  REWIND_PASSWORD: 'rewind-of-the-rehearsal',
};

type Node = {
  readonly name: string;
  readonly index: number;
  readonly address: string;
  readonly network: Program | undefined;
  readonly dataDir: string;
  readonly restPort: number;
  readonly postgresPort: number;
  patroni: Program;
};
type EtcdMember = {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  program: Program;
};

/** Three PostgreSQL with Patroni, three etcd, HAProxy and two servers, on this machine. */
export type Cluster = Awaited<ReturnType<typeof openCluster>>;

/** Opens the cluster and waits until it is complete. `isSynchronous` is Patroni's `synchronous_mode`. */
export async function openCluster(isSynchronous: boolean) {
  const workshop = await openWorkshop();
  const networks = openNetworks(workshop);
  const { address } = networks;
  const etcd: EtcdMember[] = [];
  const nodes: Node[] = [];
  const servers: { readonly port: number; process: ServerProcess }[] = [];
  const primaryPort = await findFreePort();
  let haproxy: Program;

  const etcdPlaces: Omit<EtcdMember, 'program'>[] = [];
  for (const name of ['etcd1', 'etcd2', 'etcd3'])
    etcdPlaces.push({ name, clientPort: await findFreePort(), peerPort: await findFreePort() });
  const startEtcd = (member: Omit<EtcdMember, 'program'>) =>
    workshop.start(member.name, 'etcd', [
      `--name=${member.name}`,
      `--data-dir=${join(workshop.folder, member.name)}`,
      `--listen-client-urls=http://${address}:${member.clientPort}`,
      `--advertise-client-urls=http://${address}:${member.clientPort}`,
      `--listen-peer-urls=http://${address}:${member.peerPort}`,
      `--initial-advertise-peer-urls=http://${address}:${member.peerPort}`,
      `--initial-cluster=${etcdPlaces.map(({ name, peerPort }) => `${name}=http://${address}:${peerPort}`).join(',')}`,
      // Slower than the defaults: on a busy machine, members would lose each other.
      '--heartbeat-interval=200',
      '--election-timeout=2000',
    ]);
  const startPatroni = ({ name, network }: Pick<Node, 'name' | 'network'>) =>
    workshop.start(name, 'patroni', [join(workshop.folder, `${name}.yml`)], { network });
  const startHaproxy = () =>
    workshop.start('haproxy', 'haproxy', ['-db', '-f', join(workshop.folder, 'haproxy.cfg')], {
      env: {
        PRIMARY_BIND: `${address}:${primaryPort}`,
        ...Object.fromEntries(
          nodes.flatMap((node) => [
            [`PG${node.index}_ADDRESS`, node.address],
            [`PG${node.index}_PORT`, String(node.postgresPort)],
            [`PG${node.index}_REST_PORT`, String(node.restPort)],
          ]),
        ),
      },
    });
  const startApi = (port: number) => {
    const server = startServer({
      DATABASE_URL: urlFor('group_api', 'plans'),
      PORT: String(port),
      ADMIN_API_KEY: testKey,
      SAMPLE_DATA: 'false',
      LOG_LEVEL: 'warn',
      MAX_EVENT_LOOP_DELAY_MS: '60000',
    });
    workshop.adopt(server.pid);
    return server;
  };
  const urlFor = (user: string, database: string) =>
    `postgresql://${user}:${passwords.SUPERUSER_PASSWORD}@${address}:${primaryPort}/${database}`;

  /** Runs SQL on the primary, through HAProxy. */
  const sql = async <Row>(text: string, values: unknown[] = [], user = 'group_api', database = 'plans') => {
    const client = new pg.Client({ connectionString: urlFor(user, database), connectionTimeoutMillis: 5000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(text, values)).rows as Row[];
    } finally {
      await client.end();
    }
  };

  /** The members as Patroni reports them; empty while no node responds. */
  const readMembers = async (): Promise<{ name: string; role: string; state: string; lag?: unknown }[]> => {
    for (const node of nodes) {
      const response = await fetch(`http://${node.address}:${node.restPort}/cluster`, {
        signal: AbortSignal.timeout(3000),
      }).catch(() => undefined);
      const body = (await response?.json().catch(() => undefined)) as { members?: [] } | undefined;
      if (body?.members) return body.members;
    }
    return [];
  };
  const findPrimary = async () => {
    for (const node of nodes) {
      const url = `http://${node.address}:${node.restPort}/primary`;
      const response = await fetch(url, { signal: AbortSignal.timeout(3000) }).catch(() => undefined);
      if (response?.ok) return node;
    }
    return undefined;
  };
  /** The names of the standbys that stream from the primary. */
  const readStandbys = async () => {
    const text = "SELECT application_name AS name FROM pg_stat_replication WHERE state = 'streaming'";
    const rows = await sql<{ name: string }>(text, [], 'postgres', 'postgres').catch(() => []);
    return rows.map(({ name }) => name);
  };
  const isComplete = async () => {
    const members = await readMembers();
    const roles = members.filter(({ state }) => /running|streaming/.test(state)).map(({ role }) => role);
    if (roles.length < nodes.length || !roles.includes('leader')) return false;
    if (isSynchronous && !roles.includes('sync_standby')) return false;
    return (await readStandbys()).length >= nodes.length - 1;
  };
  /** Copies the primary to each standby that cannot follow it, as an operator does with `patronictl reinit`. */
  const reinitialize = async () => {
    const [primary, standbys] = [await findPrimary(), await readStandbys()];
    for (const node of nodes.filter(({ name }) => name !== primary?.name && !standbys.includes(name))) {
      process.stderr.write(`failover: ${node.name} cannot follow ${primary?.name}: reinitialized\n`);
      const url = `http://${node.address}:${node.restPort}/reinitialize`;
      await fetch(url, { method: 'POST', body: JSON.stringify({ force: true }) });
    }
  };

  try {
    for (const place of etcdPlaces) etcd.push({ ...place, program: startEtcd(place) });
    const template = readFileSync(join(configs, 'patroni.yml'), 'utf8');
    for (const index of [1, 2, 3]) {
      const name = `pg${index}`;
      const place = await networks.add(index);
      const [restPort, postgresPort] = [await findFreePort(), await findFreePort()];
      const dataDir = join(workshop.folder, name);
      const values: Record<string, string> = {
        ...passwords,
        NAME: name,
        ADDRESS: place.address,
        REST_PORT: String(restPort),
        POSTGRES_PORT: String(postgresPort),
        ETCD_HOSTS: etcd.map(({ clientPort }) => `${address}:${clientPort}`).join(','),
        DATA_DIR: dataDir,
        BIN_DIR: binDir,
        SOCKET_DIR: workshop.folder,
        NETWORK: networks.range,
        SYNCHRONOUS_MODE: String(isSynchronous),
      };
      const text = template.replace(/\$\{(\w+)\}/g, (_all, key: string) => values[key] ?? `unset ${key}`);
      await writeFile(join(workshop.folder, `${name}.yml`), text);
      const patroni = startPatroni({ name, ...place });
      nodes.push({ name, index, ...place, dataDir, restPort, postgresPort, patroni });
    }
    // Copied, since the user of PostgreSQL may have no access to this project.
    await copyFile(join(configs, 'haproxy.cfg'), join(workshop.folder, 'haproxy.cfg'));
    haproxy = startHaproxy();
    await waitUntil(isComplete, startLimit);
    const password = passwords.SUPERUSER_PASSWORD;
    await sql(`CREATE ROLE group_api LOGIN PASSWORD '${password}'`, [], 'postgres', 'postgres');
    await sql('CREATE DATABASE plans OWNER group_api', [], 'postgres', 'postgres');
    for (const port of [await findFreePort(), await findFreePort()]) {
      servers.push({ port, process: startApi(port) });
      await servers.at(-1)!.process.ready;
    }
  } catch (error) {
    const logs = workshop.readLogs();
    await workshop.close();
    throw new Error(`${String(error)}\n${logs}`, { cause: error });
  }

  return {
    etcd,
    nodes,
    servers,
    sql,
    findPrimary,
    readLogs: workshop.readLogs,
    /** Waits until every part runs and, in synchronous mode, a standby has every commit. */
    async waitUntilComplete() {
      await waitUntil(isComplete, repairLimit).catch(reinitialize);
      await waitUntil(isComplete, startLimit);
    },
    setConnected: ({ index }: Node, isConnected: boolean) => networks.setConnected(index, isConnected),
    restartPatroni: (node: Node) => void (node.patroni = startPatroni(node)),
    restartEtcd: (member: EtcdMember) => void (member.program = startEtcd(member)),
    async restartHaproxy() {
      process.kill(haproxy.pid, 'SIGKILL');
      await haproxy.exited;
      haproxy = startHaproxy();
    },
    async restartServer(server: (typeof servers)[number]) {
      server.process.kill('SIGKILL');
      await server.process.exited;
      server.process = startApi(server.port);
      await server.process.ready;
    },
    async findEtcdLeader() {
      for (const member of etcd) {
        const response = await fetch(`http://${address}:${member.clientPort}/metrics`);
        if (/^etcd_server_is_leader 1$/m.test(await response.text())) return member;
      }
      throw new Error('etcd has no leader');
    },
    async switchOver() {
      const leader = await findPrimary();
      const members = await readMembers();
      const candidate = members.find(({ role }) => role === (isSynchronous ? 'sync_standby' : 'replica'));
      const response = await fetch(`http://${leader!.address}:${leader!.restPort}/switchover`, {
        method: 'POST',
        body: JSON.stringify({ leader: leader!.name, candidate: candidate!.name }),
      });
      if (!response.ok) throw new Error(`switchover: ${response.status} ${await response.text()}`);
    },
    async close() {
      await Promise.all(
        servers.map(async (server) => {
          server.process.kill('SIGTERM');
          await server.process.exited;
        }),
      );
      await workshop.close();
    },
  };
}
