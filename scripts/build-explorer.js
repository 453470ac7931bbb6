// Bundles the explorer page into dist/explorer with all its dependencies, so that it loads nothing from other hosts.
// Every file is also written gzip-compressed.
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { build } from 'esbuild';

const outdir = 'dist/explorer';

await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints: {
    main: 'explorer/main.tsx',
    'editor.worker': 'monaco-editor/esm/vs/editor/editor.worker.js',
    'json.worker': 'monaco-editor/esm/vs/language/json/json.worker.js',
    'graphql.worker': 'monaco-graphql/esm/graphql.worker.js',
  },
  outdir,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'linked',
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.ttf': 'file' },
  logLevel: 'warning',
});
await copyFile('explorer/index.html', `${outdir}/index.html`);

for (const name of await readdir(outdir)) {
  const content = await readFile(`${outdir}/${name}`);
  await writeFile(`${outdir}/${name}.gz`, await promisify(gzip)(content, { level: 9 }));
}
