/** Prints the result of a command to standard output, as JSON or as text. */
export function print(asJson: true | undefined, value: unknown, text: string): void {
  process.stdout.write((asJson ? JSON.stringify(value) : text) + '\n');
}

/** Prints a line about what a command is doing to standard error. */
export function writeLine(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Formats rows as a table with aligned columns. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows].map((row) => row.map(onOneLine));
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) => formatRow(row, widths)).join('\n');
}

/** Formats one row of a table whose columns have these widths, in characters; a longer cell moves those after it. */
export function formatRow(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, column) => onOneLine(cell).padEnd(widths[column]!))
    .join('  ')
    .trimEnd();
}

/** Formats the fields of one thing, a line each. Further lines of a value are indented; null is blank. */
export function formatFields(fields: readonly (readonly [name: string, value: unknown])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length)) + 2;
  return fields
    .map(([name, value]) => {
      return `${name.padEnd(width)}${formatValue(value).replaceAll('\n', `\n${' '.repeat(width)}`)}`.trimEnd();
    })
    .join('\n');
}

/** Returns a number with its noun, such as "1 subscriber". */
export function formatCount(count: number, singular: string): string {
  return `${count} ${singular}${count === 1 ? '' : 's'}`;
}

function formatValue(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Descriptions and reasons may have line breaks and tabs. */
function onOneLine(text: string): string {
  return text.replace(/[\n\t]+/g, ' ');
}
