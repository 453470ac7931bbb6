import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createScriptTransformer } from '@jest/transform';
import { createLoader } from './shared-modules.js';

const require = createRequire(import.meta.url);
const { default: runWithCircus } = require('jest-circus/runner');

/** Where jest-circus has the time limit that `jest.setTimeout` sets, and its event handlers. */
const timeLimit = Symbol.for('TEST_TIMEOUT_SYMBOL');
const eventHandlers = Symbol.for('EVENT_HANDLERS');

/**
 * Jest's test runner, in the realm of the process instead of a new one for each test file: the modules of src and the
 * packages are loaded once for all files of a process. With --coverage, which counts by file, and with --watch, which has to
 * load what has changed, each file loads its own, as Jest does; so does a file that fakes timers, which Jest does
 * in the realm of the file.
 */
export default async function runTestFile(globalConfig, config, environment, runtime, testPath, sendMessage) {
  const hasFakeClock = readFileSync(testPath, 'utf8').includes('jest.useFakeTimers(');
  if (globalConfig.collectCoverage || globalConfig.watch || globalConfig.watchAll || hasFakeClock)
    return runWithCircus(globalConfig, config, environment, runtime, testPath, sendMessage);

  const transformer = await createScriptTransformer(config);
  let loader;
  const shared = Object.create(runtime, {
    requireInternalModule: {
      value(path) {
        // Its state is that of one test file.
        delete require.cache[path];
        globalThis[eventHandlers] = undefined;
        return require(path);
      },
    },
    setGlobalsForRuntime: {
      value(globals) {
        const jest = createJestObject(environment.moduleMocker);
        loader = createLoader({
          transformer,
          globals: { ...globals, jest },
          sourceMaps: runtime.getSourceMaps(),
        });
      },
    },
    unstable_importModule: { value: (path) => loader.importFile(path) },
  });

  const restore = saveProcess();
  globalThis.console = environment.global.console;
  try {
    return await runWithCircus(globalConfig, config, environment, shared, testPath, sendMessage);
  } finally {
    environment.moduleMocker.restoreAllMocks();
    restore();
  }
}

/** The functions of `jest` that do not depend on a module registry for each file. */
function createJestObject(mocker) {
  return {
    fn: mocker.fn.bind(mocker),
    spyOn: mocker.spyOn.bind(mocker),
    restoreAllMocks: mocker.restoreAllMocks.bind(mocker),
    setTimeout: (ms) => {
      globalThis[timeLimit] = ms;
    },
  };
}

/** Returns a function that undoes what a test file changes in the process. */
function saveProcess() {
  const { console } = globalThis;
  const env = { ...process.env };
  const folder = process.cwd();
  return () => {
    globalThis.console = console;
    delete globalThis[timeLimit];
    for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
    Object.assign(process.env, env);
    process.chdir(folder);
  };
}
