/** The chain of reasons behind an error: Prisma keeps the driver's in `meta`, everybody else in `cause`. */
export function causesOf(error: unknown): Record<string, unknown>[] {
  const causes: Record<string, unknown>[] = [];
  for (let each = error; each instanceof Object && causes.length < maxCauses;) {
    const reason = each as Record<string, unknown>;
    causes.push(reason);
    each = reason['cause'] ?? reason['driverAdapterError'] ?? reason['meta'];
  }
  return causes;
}
const maxCauses = 6;
