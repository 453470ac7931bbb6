import type { ConnectionConfig } from './client.ts';
import { readNumber, type Parameters } from './url-parameters.ts';
import type { SessionSettings } from './transaction-settings.ts';

/** Settings of PostgreSQL that group-api sets, and the advice for a URL that sets one. */
const ownSettings: Readonly<Record<string, string>> = {
  search_path: 'use schema=… instead',
  lock_timeout: 'group-api sets its own value',
  timezone: 'group-api uses UTC',
  datestyle: 'group-api uses ISO',
  extra_float_digits: 'group-api uses 1',
  default_transaction_isolation: 'group-api uses READ COMMITTED',
  client_encoding: 'group-api uses UTF8',
};

const optionsFormat =
  'a URL whose options are settings such as options=-c%20geqo%3Doff, which stands for -c geqo=off';
const maxTimeoutMs = 999_999_999;

/**
 * Reads the parameters of PostgreSQL's sessions. They are set by a statement: poolers reject them at the start of a
 * connection.
 * @throws Error whose message completes "DATABASE_URL must be …"
 */
export function readSessionSettings(parameters: Parameters): SessionSettings {
  const settings = readOptions(parameters.options ?? '');
  for (const name of ['statement_timeout', 'idle_in_transaction_session_timeout'] as const) {
    const text = parameters[name];
    if (text === undefined) continue;
    settings[name] = String(readNumber(name, text, [0, maxTimeoutMs], ' of milliseconds'));
  }
  return settings;
}

/** Reads libpq's `options`: words that are separated by spaces, in which a backslash quotes the next character. */
function readOptions(options: string): Record<string, string> {
  const words = (options.match(/(?:\\.|\S)+/gs) ?? []).map((word) => word.replace(/\\(.)/gs, '$1'));
  const settings: Record<string, string> = {};
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    const assignment = word === '-c' ? (words[++index] ?? '') : word.replace(/^(-c|--)/, '');
    const [, name, value] = /^([a-z_][\w$.-]*)=(.*)$/is.exec(assignment) ?? [];
    if (name === undefined || value === undefined || (word !== '-c' && assignment === word)) {
      throw new Error(optionsFormat);
    }
    const setting = name.replaceAll('-', '_').toLowerCase();
    const advice = Object.hasOwn(ownSettings, setting) ? ownSettings[setting] : undefined;
    if (advice !== undefined) throw new Error(`a URL whose options do not set ${setting}: ${advice}`);
    settings[setting] = value;
  }
  return settings;
}

/**
 * Reads the parameters of a connection, without those of TLS and of the hosts.
 * @throws Error whose message completes "DATABASE_URL must be …"
 */
export function readConnection(parameters: Parameters, hasTls: boolean): ConnectionConfig {
  const { channel_binding: binding, client_encoding: encoding, application_name: name } = parameters;
  const { connect_timeout: timeout } = parameters;
  if (binding !== undefined && !['require', 'prefer', 'disable'].includes(binding)) {
    throw new Error('a URL whose channel_binding is require, prefer or disable');
  }
  if (binding === 'require' && !hasTls) {
    throw new Error('a URL with sslmode=verify-full, since channel_binding=require requires TLS');
  }
  if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) {
    throw new Error('a URL without client_encoding: group-api uses UTF8');
  }
  return {
    ...((binding === 'prefer' || binding === 'require') && { enableChannelBinding: true }),
    ...(binding === 'require' && { requiresChannelBinding: true }),
    ...(name && { application_name: name }),
    ...(timeout !== undefined && {
      connectionTimeoutMillis: 1000 * readNumber('connect_timeout', timeout, [1, 600], ' of seconds'),
    }),
  };
}
