import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext, type Server } from 'node:tls';
import { OperatorError } from '../errors.ts';
import type { Logger } from '../log.ts';

/** The PEM files of a certificate chain and its private key. */
export type CertificateFiles = { readonly certFile: string; readonly keyFile: string };
/** The content of the files. */
export type Certificate = { readonly cert: Buffer; readonly key: Buffer };

/** The interval at which the files are checked for changes. */
const checkIntervalMs = 5000;

/** Reads a certificate and its key. @throws OperatorError if they cannot be read or do not match */
export function readCertificate({ certFile, keyFile }: CertificateFiles): Certificate {
  const certificate = {
    cert: readSetting('TLS_CERT_FILE', certFile),
    key: readSetting('TLS_KEY_FILE', keyFile),
  };
  try {
    createSecureContext(certificate);
  } catch (error) {
    throw new OperatorError(
      `TLS_CERT_FILE and TLS_KEY_FILE must be a certificate and its key, both as PEM: ${(error as Error).message}`,
    );
  }
  return certificate;
}

/**
 * Reloads the certificate when its files change, and calls `onReload` with the one that is in use then. Returns a
 * function that stops watching them.
 */
export function watchCertificate(
  server: Server,
  files: CertificateFiles,
  log: Logger,
  onReload: (certificate: Certificate) => void,
): () => void {
  const reload = () => {
    try {
      const certificate = readCertificate(files);
      server.setSecureContext(certificate);
      onReload(certificate);
      log.info('reloaded the TLS certificate');
    } catch (error) {
      // One of the two files may be written before the other.
      log.warn({ reason: (error as Error).message }, 'cannot use the changed TLS certificate');
    }
  };
  const names = [files.certFile, files.keyFile];
  for (const name of names) watchFile(name, { interval: checkIntervalMs, persistent: false }, reload);
  return () => {
    for (const name of names) unwatchFile(name, reload);
  };
}

function readSetting(setting: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new OperatorError(`${setting} must be a readable file: ${(error as Error).message}`);
  }
}
