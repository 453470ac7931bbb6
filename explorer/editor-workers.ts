// Monaco validates in web workers, so that typing stays fast. scripts/build-explorer.js defines the names of the files.
Object.assign(globalThis, {
  MonacoEnvironment: {
    getWorker: (_id: string, label: string) => {
      const name = label === 'json' || label === 'graphql' ? label : 'editor';
      return new Worker(new URL(`./${name}.worker.js`, import.meta.url), { type: 'module', name });
    },
  },
});
