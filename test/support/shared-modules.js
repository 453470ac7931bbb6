import { readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SourceTextModule, SyntheticModule } from 'node:vm';

const testFolder = join(dirname(fileURLToPath(import.meta.url)), '..', sep);
const syntax = {
  supportsDynamicImport: true,
  supportsExportNamespaceFrom: true,
  supportsStaticESM: true,
  supportsTopLevelAwait: true,
};

/** What this process has loaded once for all its test files: modules outside of test/ by path, packages by name, source maps. */
const sharedModules = new Map();
const packages = new Map();
const sharedSourceMaps = new Map();

/** The transformer and the source maps of the current test file. */
let current;

/** A module must not be linked twice, which two concurrent imports would do. */
let linking = Promise.resolve();

/**
 * Loads test files into the realm of the process, so that they share with it what is slow to load: the modules of src, and
 * packages. The modules below test/ are loaded anew for each loader.
 */
export function createLoader({ transformer, globals, sourceMaps }) {
  const ownModules = new Map();
  current = { transformer, sourceMaps };
  for (const [path, map] of sharedSourceMaps) sourceMaps.set(path, map);
  const globalsModule = toModule('@jest/globals', globals);

  function load(path) {
    const modules = path.startsWith(testFolder) ? ownModules : sharedModules;
    let module = modules.get(path);
    if (module) return module;
    const { code, sourceMapPath } = current.transformer.transform(path, syntax, readFileSync(path, 'utf8'));
    if (sourceMapPath) {
      current.sourceMaps.set(path, sourceMapPath);
      if (modules === sharedModules) sharedSourceMaps.set(path, sourceMapPath);
    }
    module = new SourceTextModule(code, {
      identifier: path,
      importModuleDynamically: (specifier) => importFrom(specifier, path),
      initializeImportMeta: (meta) => {
        meta.url = pathToFileURL(path).href;
        meta.filename = path;
        meta.dirname = dirname(path);
      },
    });
    modules.set(path, module);
    return module;
  }

  function resolve(specifier, from) {
    if (specifier === '@jest/globals') return globalsModule;
    const isFile = /^(\.{0,2}\/|file:)/.test(specifier);
    const url = isFile ? new URL(specifier, pathToFileURL(from)).href : specifier;
    return isFile && url.endsWith('.ts') ? load(fileURLToPath(url)) : loadPackage(url);
  }

  async function importFrom(specifier, from) {
    const module = await resolve(specifier, from);
    const linked = linking.then(() =>
      module.status === 'unlinked'
        ? module.link((name, { identifier }) => resolve(name, identifier))
        : undefined,
    );
    linking = linked.catch(() => undefined);
    try {
      await linked;
      await module.evaluate();
    } catch (error) {
      // An import that fails leaves modules half linked, which would fail in the next test file too.
      for (const [path, { status }] of sharedModules) if (status !== 'evaluated') sharedModules.delete(path);
      throw error;
    }
    return module;
  }

  return { importFile: (path) => importFrom(pathToFileURL(path).href, path) };
}

/** Loads a package, a module of Node or a JavaScript file as Node does. */
function loadPackage(specifier) {
  let loading = packages.get(specifier);
  if (!loading) {
    loading = import(specifier).then((namespace) => toModule(specifier, namespace));
    packages.set(specifier, loading);
  }
  return loading;
}

function toModule(identifier, namespace) {
  const names = Object.keys(namespace);
  return new SyntheticModule(
    names,
    function () {
      for (const name of names) this.setExport(name, namespace[name]);
    },
    { identifier },
  );
}
