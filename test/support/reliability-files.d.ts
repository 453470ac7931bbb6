export const reliabilityFiles: readonly string[];
