/** By the text of a statement: few statements have a text that varies. */
const summaries = new Map<string, string>();
const maxSummaries = 500;

/**
 * Returns what a statement does, in few words without values: its verb and its table, such as `DELETE groups`. Of a
 * statement with several parts, it is the first change.
 */
export function summarizeStatement(model: string | undefined, operation: string, args: unknown): string {
  if (model !== undefined) return `${operation} ${model}`;
  const text = textOf(args);
  const cached = summaries.get(text);
  if (cached !== undefined) return cached;
  const summary = summarizeText(text) ?? operation;
  if (summaries.size < maxSummaries) summaries.set(text, summary);
  return summary;
}

/** Prisma passes a raw statement as `Sql`, or as the parts of a template or a text with its values. */
function textOf(args: unknown): string {
  const { strings } = args as { readonly strings?: readonly string[] };
  if (strings) return strings.join('?');
  const [first] = args as readonly unknown[];
  return Array.isArray(first) ? first.join('?') : String(first);
}

function summarizeText(text: string): string | undefined {
  const change = /\b(DELETE) FROM (\w+)|\b(INSERT) INTO (\w+)|\b(UPDATE) (\w+) (?:AS \w+ )?SET\b/.exec(text);
  if (change) return change.slice(1).filter(Boolean).join(' ');
  const [, table] = /\bSELECT\b[^]*?\bFROM (\w+)/.exec(text) ?? [];
  return table === undefined ? /\b[A-Z]{3,}\b/.exec(text)?.[0] : `SELECT ${table}`;
}
