/** A row as `to_jsonb()` writes it: the keys are column names, the values plain JSON. */
export type RowJson = { readonly [column: string]: unknown };

/** Turns column names into the names that the API uses, at every depth: `tag_name` into `tagName`. */
export function camelCaseKeys(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(camelCaseKeys);
  if (!(json instanceof Object)) return json;
  const renamed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) renamed[camelCase(key)] = camelCaseKeys(value);
  return renamed;
}

const camelCaseByName = new Map<string, string>();

/** Each name once: there are as many as there are columns. */
function camelCase(name: string): string {
  let camelCased = camelCaseByName.get(name);
  if (camelCased === undefined) {
    camelCased = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    camelCaseByName.set(name, camelCased);
  }
  return camelCased;
}

/** Turns the names that the API uses into column names: `tagName` into `tag_name`. What lies within the values stays as it is. */
export function toRowJson(record: object): RowJson {
  const columns = Object.entries(record).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(columns) as RowJson;
}
