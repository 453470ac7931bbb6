import type { Duplex } from 'node:stream';

/** The part of pg's connection that is used here. Its stream is replaced when TLS begins. */
export type Connection = NodeJS.EventEmitter & { readonly stream: Duplex };

/**
 * Destroys a connection whose server does not sign in the user with channel binding (SCRAM-SHA-256-PLUS), before a
 * password is sent: someone between the two would not be noticed. pg uses channel binding if the server offers it.
 */
export function destroyUnlessBound(connection: Connection): void {
  let isOffered = false;
  let isProven = false;
  const requireIt = (isFulfilled: boolean) => {
    if (!isFulfilled) connection.stream.destroy(new Error('the server does not offer channel binding'));
  };
  // Added before pg's listeners, which would respond with the password, and which verify the server's proof.
  connection.on('authenticationSASL', ({ mechanisms }: { mechanisms: readonly string[] }) => {
    isOffered = mechanisms.includes('SCRAM-SHA-256-PLUS');
    requireIt(isOffered);
  });
  connection.on('authenticationSASLFinal', () => (isProven = isOffered));
  connection.on('authenticationOk', () => requireIt(isProven));
  for (const event of ['authenticationCleartextPassword', 'authenticationMD5Password']) {
    connection.on(event, () => requireIt(false));
  }
}
