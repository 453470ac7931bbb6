// Checks what is typed, away from the page's own thread. The names are those of scripts/build-explorer.js.
const nameByLabel: Readonly<Record<string, string>> = { json: 'json', graphql: 'graphql' };

Object.assign(globalThis, {
  MonacoEnvironment: {
    getWorker: (_id: string, label: string) =>
      new Worker(new URL(`./${nameByLabel[label] ?? 'editor'}.worker.js`, import.meta.url), {
        type: 'module',
        name: label,
      }),
  },
});
