/** A row as `to_jsonb()` returns it: the keys are column names, the values plain JSON. */
export type RowJson = { readonly [column: string]: unknown };

/** Converts column names to the API's names, at every depth: `tag_name` to `tagName`. */
export function camelCaseKeys(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(camelCaseKeys);
  if (!(json instanceof Object)) return json;
  const renamed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) renamed[camelCase(key)] = camelCaseKeys(value);
  return renamed;
}

const camelCaseByName = new Map<string, string>();

/** Cached by name; there are only as many names as columns. */
function camelCase(name: string): string {
  let camelCased = camelCaseByName.get(name);
  if (camelCased === undefined) {
    camelCased = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    camelCaseByName.set(name, camelCased);
  }
  return camelCased;
}

/** Converts the API's names to column names, at the top level only: `tagName` to `tag_name`. */
export function toRowJson(record: object): RowJson {
  const columns = Object.entries(record).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(columns) as RowJson;
}
