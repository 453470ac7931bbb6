/** Parses a number argument. Returns any other text unchanged: the validation of the number rejects it by its value. */
export function readNumber(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}
