import { readFileSync } from 'node:fs';
import type pg from 'pg';
import type { Parameters } from './url-parameters.ts';

const sslModes = ['disable', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/**
 * Reads the parameters of TLS. Verifies certificates unless the URL disables it. `require`, too, requires a certificate
 * from a trusted authority for this host: encryption alone does not protect the password from a man in the middle.
 * @throws Error whose message completes "DATABASE_URL must be …"
 */
export function readTls(parameters: Parameters): pg.ClientConfig {
  const { sslmode, ssl, sslrootcert, sslcert, sslkey, sslnegotiation } = parameters;
  if (sslmode === 'prefer' || sslmode === 'allow') {
    throw new Error(
      `a URL without sslmode=${sslmode}, which allows unencrypted connections. Use sslmode=verify-full, or ` +
        'sslmode=disable if the server does not support TLS',
    );
  }
  if (sslmode !== undefined && !sslModes.includes(sslmode)) {
    throw new Error(`a URL whose sslmode is one of ${sslModes.join(', ')}`);
  }
  if (
    ssl !== undefined &&
    (sslmode !== undefined || !['true', '1', 'false', '0', 'no-verify'].includes(ssl))
  ) {
    throw new Error('a URL with sslmode=… instead of ssl=…');
  }
  if (sslnegotiation !== undefined && sslnegotiation !== 'postgres' && sslnegotiation !== 'direct') {
    throw new Error('a URL whose sslnegotiation is postgres or direct');
  }
  const isOff = sslmode === 'disable' || ssl === 'false' || ssl === '0';
  const files = { sslrootcert, sslcert, sslkey };
  const isRequested = [sslmode, ssl, ...Object.values(files)].some((value) => value !== undefined);
  if (sslnegotiation === 'direct' && isOff) {
    throw new Error('a URL whose sslmode is not disable, since sslnegotiation=direct requires TLS');
  }
  if (isOff) return { ssl: false };
  if (!isRequested && sslnegotiation !== 'direct') return {};
  if ((sslcert === undefined) !== (sslkey === undefined))
    throw new Error('a URL with both sslcert and sslkey');
  const hasAuthority = sslrootcert !== undefined && sslrootcert !== 'system';
  const isUnverified = sslmode === 'no-verify' || ssl === 'no-verify';
  return {
    ssl: {
      ...(hasAuthority && { ca: readPem('sslrootcert', sslrootcert) }),
      ...(sslcert !== undefined && { cert: readPem('sslcert', sslcert) }),
      ...(sslkey !== undefined && { key: readPem('sslkey', sslkey) }),
      ...(isUnverified && { rejectUnauthorized: false }),
      // Only with a private authority: anyone can get a certificate for some host from a public one.
      ...(sslmode === 'verify-ca' && hasAuthority && { checkServerIdentity: () => undefined }),
    },
    ...(sslnegotiation !== undefined && { sslnegotiation }),
  };
}

function readPem(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new Error(`a URL whose ${name} is a readable PEM file: ${code}, ${path}`, { cause: error });
  }
}
