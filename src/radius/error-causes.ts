/** The values of Error-Cause (RFC 5176, section 3.5) with their names. */
const names = new Map([
  [201, 'Residual-Session-Context-Removed'],
  [202, 'Invalid-EAP-Packet'],
  [401, 'Unsupported-Attribute'],
  [402, 'Missing-Attribute'],
  [403, 'NAS-Identification-Mismatch'],
  [404, 'Invalid-Request'],
  [405, 'Unsupported-Service'],
  [406, 'Unsupported-Extension'],
  [407, 'Invalid-Attribute-Value'],
  [501, 'Administratively-Prohibited'],
  [502, 'Request-Not-Routable'],
  [503, 'Session-Context-Not-Found'],
  [504, 'Session-Context-Not-Removable'],
  [505, 'Other-Proxy-Processing-Error'],
  [506, 'Resources-Unavailable'],
  [507, 'Request-Initiated'],
  [508, 'Multiple-Session-Selection-Unsupported'],
]);

/** Returns the name of an Error-Cause with its number; of null, that the NAS named none. */
export function describeErrorCause(cause: number | null): string {
  if (cause === null) return 'no Error-Cause';
  return `${names.get(cause) ?? 'Error-Cause'} (${cause})`;
}

/** The session does not exist any more, which is what a request was for, or the repetition of one. */
export const sessionNotFound = 503;

/** Causes that may pass: those of a proxy, and the lack of resources. */
const transient: readonly number[] = [502, 504, 505, 506];

/**
 * Returns whether a repetition of the request may succeed. A NAS that names no cause, as some do not for an unknown
 * session, may have ended the session, which the accounting reports.
 */
export function isTransient(cause: number | null): boolean {
  return cause === null || transient.includes(cause);
}

/** Causes for which a Disconnect-Request would fail, too: they are about the NAS or the session, not the attributes. */
const independentOfRequest: readonly number[] = [403, 501, sessionNotFound, ...transient, 507];

/** Returns whether a NAS that has rejected a CoA-Request so may accept a Disconnect-Request. */
export function mayAcceptDisconnect(cause: number | null): boolean {
  return cause === null || !independentOfRequest.includes(cause);
}
