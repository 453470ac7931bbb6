import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext, type Server } from 'node:tls';
import { OperatorError } from '../errors.ts';
import type { Logger } from '../log.ts';

/** PEM files, of a chain and of the key that goes with it. */
export type CertificateFiles = { readonly certFile: string; readonly keyFile: string };
/** What is in them. */
export type Certificate = { readonly cert: Buffer; readonly key: Buffer };

/** How often the files are looked at. */
const checkIntervalMs = 5000;

/** Reads a certificate and its key. @throws StartError where they cannot be read or do not go together. */
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

/** Takes changed files up, as certificates are renewed while a server runs. Answers what ends that. */
export function watchCertificate(server: Server, files: CertificateFiles, log: Logger): () => void {
  const takeUp = () => {
    try {
      server.setSecureContext(readCertificate(files));
      log.info('reloaded the TLS certificate');
    } catch (error) {
      // One of the two may be there before the other.
      log.warn({ reason: (error as Error).message }, 'cannot use the changed TLS certificate');
    }
  };
  const names = [files.certFile, files.keyFile];
  for (const name of names) watchFile(name, { interval: checkIntervalMs, persistent: false }, takeUp);
  return () => {
    for (const name of names) unwatchFile(name, takeUp);
  };
}

function readSetting(setting: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new OperatorError(`${setting} must be a readable file: ${(error as Error).message}`);
  }
}
