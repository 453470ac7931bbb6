import { createPublicKey, type KeyObject } from 'node:crypto';

/** The algorithms of JSON Web Tokens, by kind of key: https://www.rfc-editor.org/rfc/rfc7518#section-3.1 */
export const rsaAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
/** By the curve's name in OpenSSL. */
export const ecAlgorithms: Readonly<Record<string, string[]>> = {
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
};
/** https://www.rfc-editor.org/rfc/rfc8037#section-3.1, and its successor's name for it. */
export const edwardsAlgorithms = ['EdDSA', 'Ed25519'];

/** The algorithms of JSON Web Tokens that a public key is for; none for a key of another kind. */
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

/** Reads a public key from PEM. @throws Error that completes "… must be", without the key: it may be the wrong half of a pair. */
export function parsePublicKey(pem: string): KeyObject {
  const wanted = 'a public key (RSA of 2048 bits or more, EC P-256, P-384 or P-521, or Ed25519) as PEM';
  if (!pem.includes('BEGIN PUBLIC KEY')) {
    throw new Error(`${wanted}, which begins with "-----BEGIN PUBLIC KEY-----"`);
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new Error(`${wanted}; this one cannot be read`);
  }
  const isShort = (key.asymmetricKeyDetails?.modulusLength ?? 2048) < 2048;
  if (isShort || algorithmsOf(key).length === 0) throw new Error(`${wanted}; this one is of another kind`);
  return key;
}
