import { randomBytes } from 'node:crypto';

/** The beginning of each name that replaces an erased username. */
export const pseudonymPrefix = 'erased-';

/** Creates a name that replaces a username. It is random: the username cannot be computed from it. */
export function createPseudonym(): string {
  return pseudonymPrefix + randomBytes(12).toString('hex');
}
