/** A request as a document shows it. Its address and headers may contain `{{name}}`. */
export type WrittenRequest = {
  readonly method: string;
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** Reads one request, which may have comments before it. */
export function readRequest(text: string): WrittenRequest {
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
