// Tables of src/ for the documents: compiled from the sources each time, so that they are current without a build.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export const { errorTable } = await load('src/errors.ts');
export const { eventTypes } = await load('src/events/event-types.ts');
export const { describeParameters } = await load('src/postgres/url-parameters.ts');
export const { describeSettings } = await load('src/config/settings.ts');
export const { metrics } = await load('src/observability/metrics/metric-table.ts');

/** Below node_modules, so that the compiled file finds the packages that it imports. */
async function load(entryPoint) {
  const outfile = join(
    'node_modules/.cache/group-api',
    entryPoint.replaceAll('/', '-').replace(/\.ts$/, '.mjs'),
  );
  await build({
    entryPoints: [entryPoint],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
  });
  return import(pathToFileURL(outfile).href);
}
