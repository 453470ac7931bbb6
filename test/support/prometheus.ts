import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createTestFolder } from './test-folder.ts';
import { findFreePort } from './tcp-postgres.ts';
import { waitUntil } from './wait-until.ts';
import type { Json } from './test-app.ts';

export const hasPrometheus = ['prometheus', 'promtool'].every(
  (program) => spawnSync(program, ['--version']).status === 0,
);

/** One series of the result of a query. */
export type Series = { readonly metric: Record<string, string>; readonly value: number };

/** A Prometheus that scrapes every second, in a separate process. */
export type Prometheus = {
  /** Evaluates a query now. Rejects if Prometheus reports an error. */
  query(expression: string): Promise<Series[]>;
  /** Evaluates a query for the last seconds, one value each second, as a dashboard does. */
  queryRange(expression: string, seconds: number): Promise<Json[]>;
  /** The names of the alerts that fire. */
  firing(): Promise<string[]>;
  close(): Promise<void>;
};

/**
 * Starts Prometheus with the job `group-api`, whose targets are host and port of the metrics of each server. `rules` is
 * the text of a file of rules.
 */
export async function startPrometheus(targets: readonly string[], rules?: string): Promise<Prometheus> {
  const folder = await createTestFolder();
  const port = await findFreePort();
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    scrape_configs: [{ job_name: 'group-api', static_configs: [{ targets }] }],
    rule_files: rules === undefined ? [] : [join(folder, 'rules.yml')],
  };
  // JSON is YAML.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
  if (rules !== undefined) await writeFile(join(folder, 'rules.yml'), rules);
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(0, 10_000)));
  const exited = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  const read = async (path: string): Promise<Json> => {
    const response = await fetch(url + path);
    const body: Json = await response.json();
    if (body.status !== 'success') throw new Error(`${path}: ${JSON.stringify(body)}`);
    return body.data;
  };
  await waitUntil(async () => {
    if (child.exitCode !== null) throw new Error(`Prometheus ended: ${log}`);
    return fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  });

  return {
    async query(expression) {
      const { result } = await read(`/api/v1/query?${String(new URLSearchParams({ query: expression }))}`);
      return result.map(({ metric, value }: Json) => ({ metric, value: Number(value[1]) }));
    },
    async queryRange(expression, seconds) {
      const end = Date.now() / 1000;
      const range = { query: expression, start: String(end - seconds), end: String(end), step: '1' };
      return (await read(`/api/v1/query_range?${String(new URLSearchParams(range))}`)).result;
    },
    async firing() {
      const { alerts } = await read('/api/v1/alerts');
      const names: string[] = alerts
        .filter(({ state }: Json) => state === 'firing')
        .map(({ labels }: Json) => labels.alertname);
      return [...new Set(names)].toSorted();
    },
    async close() {
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Runs promtool on files in a folder. Returns its output; rejects with it if promtool finds an error. */
export async function runPromtool(
  args: readonly string[],
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const folder = await createTestFolder();
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const { stdout, stderr } = await promisify(execFile)('promtool', args, { cwd: folder });
    return stdout + stderr;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`promtool ${args.join(' ')}: ${stdout}${stderr}`, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Checks metrics as text by promtool, which reports what violates the conventions. Returns its output, if any. */
export async function checkMetrics(text: string): Promise<string> {
  const child = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.end(text);
  await once(child, 'close');
  return output;
}
