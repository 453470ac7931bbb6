/** Parses a number argument. Invalid text becomes NaN, which the validation of the number rejects. */
export function readNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}
