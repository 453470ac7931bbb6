/** Writes a decimal with two to four decimals: "29.9" becomes "29.90", "0.1250" becomes "0.125". */
export function formatPrice(decimal: string): string {
  const [whole, fraction = ''] = decimal.split('.');
  return `${whole}.${fraction.replace(/0+$/, '').padEnd(2, '0')}`;
}
