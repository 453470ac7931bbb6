import { createPublicKey, type KeyObject } from 'node:crypto';

/** The algorithms of JSON Web Tokens, by kind of key: https://www.rfc-editor.org/rfc/rfc7518#section-3.1 */
export const rsaAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
/** The algorithms of elliptic curves, by OpenSSL's name of the curve. */
export const ecAlgorithms: Readonly<Record<string, string[]>> = {
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
};
/** The name by https://www.rfc-editor.org/rfc/rfc8037#section-3.1, and the name in RFC 9864. */
export const edwardsAlgorithms = ['EdDSA', 'Ed25519'];

/** Returns the JSON Web Token algorithms that a public key supports; an empty list for an unsupported type of key. */
export function algorithmsOf(key: KeyObject): string[] {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return rsaAlgorithms;
    case 'ec':
      return ecAlgorithms[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? [];
    case 'ed25519':
      return edwardsAlgorithms;
    default:
      return [];
  }
}

/** Parses a public key in PEM. @throws Error that completes "… must be", without the text: it may be a private key. */
export function parsePublicKey(pem: string): KeyObject {
  const expected = 'a public key (RSA of 2048 bits or more, EC P-256, P-384 or P-521, or Ed25519) as PEM';
  if (!pem.includes('BEGIN PUBLIC KEY')) {
    throw new Error(`${expected}, which starts with "-----BEGIN PUBLIC KEY-----"`);
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new Error(`${expected}; this one cannot be parsed`);
  }
  const isShort = (key.asymmetricKeyDetails?.modulusLength ?? 2048) < 2048;
  if (isShort || algorithmsOf(key).length === 0)
    throw new Error(`${expected}; this one has an unsupported type or size`);
  return key;
}
