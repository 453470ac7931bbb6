/** Counts the rows that end in a piece of COPY text, in which PostgreSQL escapes the line breaks of values. */
export function countRows(text: Buffer): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
