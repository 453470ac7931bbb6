/** A request of a `.http` file. Its address and headers may contain `{{name}}`. */
export type WrittenRequest = {
  /** The text after `###`. */
  readonly title: string;
  /** The text after `# @name`. */
  readonly name: string | undefined;
  readonly method: string;
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** Reads the requests of a `.http` file, in order. */
export function readHttpFile(text: string): WrittenRequest[] {
  return text
    .split(/^### /m)
    .slice(1)
    .map((part) => {
      const [, title, rest] = /^(.*)\n([^]*)$/.exec(part)!;
      return { title: title!, name: /^# @name (\w+)$/m.exec(rest!)?.[1], ...readRequest(rest!) };
    });
}

/** Reads one request, which may have comments before it. */
export function readRequest(text: string): Omit<WrittenRequest, 'title' | 'name'> {
  const [, method, address, headers, body = ''] =
    /^(?:#.*\n)*([A-Z]+) (\S+)((?:\n\S.*)*)(?:\n\n([^]*))?$/.exec(text.trim())!;
  const pairs = [...headers!.matchAll(/\n([^:]+): (.*)/g)].map(([, key, value]) => [key!, value!]);
  return { method: method!, address: address!, headers: Object.fromEntries(pairs), body };
}

/** Replaces each `{{name}}` with its value. @throws if there is none */
export function fillIn(text: string, valueOf: (name: string) => unknown): string {
  return text.replaceAll(/\{\{(.+?)\}\}/g, (_all, name: string) => {
    const value = valueOf(name);
    if (typeof value !== 'string') throw new Error(`there is no {{${name}}}`);
    return value;
  });
}
