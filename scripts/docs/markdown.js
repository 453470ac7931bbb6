/** Writes a Markdown table; the formatter aligns its columns. */
export function writeTable(head, rows) {
  const write = (cells) => `| ${cells.join(' | ')} |`;
  return [write(head), write(head.map(() => '---')), ...rows.map(write)].join('\n');
}
