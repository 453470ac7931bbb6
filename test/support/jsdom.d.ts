/** What the tests use of jsdom. Its own types would bring the browser's globals, which take the place of Node's. */
declare module 'jsdom' {
  export class VirtualConsole {
    on(event: 'log', listener: (line: string) => void): this;
  }
  export class JSDOM {
    constructor(
      html: string,
      options: { url: string; runScripts: 'dangerously'; virtualConsole: VirtualConsole },
    );
    readonly window: { close(): void };
  }
}
