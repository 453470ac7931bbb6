/** Returns an error and its causes. Prisma stores the error of the driver in `meta`, all others in `cause`. */
export function causesOf(error: unknown): Record<string, unknown>[] {
  const causes: Record<string, unknown>[] = [];
  for (let next = error; typeof next === 'object' && next !== null && causes.length < maxCauses;) {
    const cause = next as Record<string, unknown>;
    causes.push(cause);
    next = cause['cause'] ?? cause['driverAdapterError'] ?? cause['meta'];
  }
  return causes;
}
const maxCauses = 6;
