/** Prints the result of a command to standard output, as JSON or as text. */
export function print(asJson: true | undefined, value: unknown, text: string): void {
  process.stdout.write((asJson ? JSON.stringify(value) : text) + '\n');
}

/** Formats rows as a table with aligned columns. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
