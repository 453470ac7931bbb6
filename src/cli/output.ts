/** Prints what a command has to say: to a program as JSON, to a person as text. */
export function print(asJson: true | undefined, value: unknown, text: string): void {
  process.stdout.write((asJson ? JSON.stringify(value) : text) + '\n');
}

/** Writes rows below their heads, each column as wide as it needs. */
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
