/** Reads what was typed for a number; what is none becomes NaN, which whoever takes the number refuses. */
export function readNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}
