import { createHmac, randomBytes } from 'node:crypto';

const secretPrefix = 'whsec_';
/** Standard Webhooks 1.0 asks for 24 to 64 bytes. */
const secretBytes = 32;

/** Creates the secret of an endpoint: `whsec_` and base64. */
export function createSecret(): string {
  return secretPrefix + randomBytes(secretBytes).toString('base64');
}

/** The message of an attempt. */
type Message = {
  /** The same at each attempt. Without a full stop, which separates the parts of the signed text. */
  readonly id: string;
  /** Of the attempt, in seconds since 1970. */
  readonly timestamp: number;
  readonly body: string;
};

/**
 * Returns the headers of an attempt by Standard Webhooks 1.0
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md): one signature for each
 * secret, separated by spaces.
 */
export function signMessage(
  { id, timestamp, body }: Message,
  secrets: readonly string[],
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(secretPrefix.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  };
}
