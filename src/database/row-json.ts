/** A row as `to_jsonb()` writes it: the keys are column names, the values plain JSON. */
export type RowJson = { readonly [column: string]: unknown };

/** Turns column names into the names that the API uses, at every depth: `tag_name` into `tagName`. */
export function camelCaseKeys(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(camelCaseKeys);
  if (!(json instanceof Object)) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [camelCase(key), camelCaseKeys(value)]),
  );
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
