/** Appends the items of a comma-separated list to those of earlier uses of the option. */
export function collectItems(text: string, previous: readonly string[] = []): string[] {
  return [...previous, ...text.split(/[\s,]+/).filter((item) => item !== '')];
}
