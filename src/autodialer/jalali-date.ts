/**
 * Creates a function that formats dates in the Jalali (Persian) calendar and a time zone, such as `1399-12-18
 * 16:58:50`.
 */
export function createJalaliFormatter(timeZone: string): (date: Date) => string {
  const format = new Intl.DateTimeFormat('en-u-ca-persian-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  return (date) => {
    const parts = Object.fromEntries(format.formatToParts(date).map(({ type, value }) => [type, value]));
    const { year, month, day, hour, minute, second } = parts;
    return `${year!.padStart(4, '0')}-${month}-${day} ${hour}:${minute}:${second}`;
  };
}
