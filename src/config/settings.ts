import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parsePublicKey } from './jwt-public-key.ts';
import { describeProblem, parseEnvFile, type EnvEntry } from './env-file.ts';
import { StartError } from '../errors.ts';
import { findMisspeltNames } from './misspelt-names.ts';
import {
  parseApiKey,
  parseBoolean,
  parseInteger,
  parseJwksUrl,
  parseNetworks,
  parseOneOf,
  parseOrigins,
  parsePath,
  parsePostgresUrl,
  parseTimeZone,
} from './setting-parsers.ts';

/** Where a person's Apollo Sandbox runs, which is a page of Apollo's. */
const apolloSandboxOrigin = 'https://studio.apollographql.com';
/** One setting: what its name means, how its text is read, and what holds when it is not set. */
type Setting<T> = {
  readonly meaning: string;
  /** Reads the text; throws an Error whose message completes "NAME must be …". */
  readonly parse: (text: string) => T;
  readonly default: T | ((context: DefaultContext) => T);
  /** The default as documentation shows it, where its value would not be clear. */
  readonly defaultText?: string;
};

/** What defaults may depend on. */
type DefaultContext = { readonly isRoot: boolean; readonly isEmbedded: boolean; readonly isLocal: boolean };

/** Every setting, all read from the environment. docs/settings.md is generated from this table. */
export const settings = {
  HOST: setting({
    meaning: 'The address that it listens on; `localhost`: both of the loopback addresses',
    parse: (text) => text,
    default: '127.0.0.1',
  }),
  PORT: setting({
    meaning: 'The port that it listens on; `0` takes any free port',
    parse: parseInteger(0, 65_535),
    default: 4000,
  }),
  DATABASE_URL: setting<string | undefined>({
    meaning: 'PostgreSQL 14 or newer, as `postgresql://…`. None: an embedded PostgreSQL is started',
    parse: parsePostgresUrl,
    default: undefined,
  }),
  DATABASE_POOL_SIZE: setting({
    meaning: 'How many connections to the database it holds at most',
    parse: parseInteger(1, 1000),
    default: 10,
  }),
  DATA_DIR: setting({
    meaning: 'The folder where the embedded PostgreSQL keeps its files',
    parse: parsePath,
    default: ({ isRoot }) => (isRoot ? '/var/lib/group-api' : resolve('data')),
    defaultText: '`./data`; as root `/var/lib/group-api`',
  }),
  ADMIN_API_KEY: setting<string | undefined>({
    meaning:
      'The key of the account `admin`, 32 characters at least, set at each start. None: one is made at the first start and printed once',
    parse: parseApiKey,
    default: undefined,
  }),
  SAMPLE_DATA: setting({
    meaning: 'Whether an empty database gets a few sample groups',
    parse: parseBoolean,
    default: ({ isEmbedded }) => isEmbedded,
    defaultText: '`true` when embedded, else `false`',
  }),
  DELETED_GROUP_RETENTION_DAYS: setting({
    meaning:
      'How many days a deleted group can be restored, before the server purges it; `0`: no archive is kept',
    parse: parseInteger(0, 36_500),
    default: 30,
  }),
  JWT_JWKS_URL: setting<URL | undefined>({
    meaning: 'Where the public keys for JSON Web Tokens are, as `https://…`. They are fetched and kept',
    parse: parseJwksUrl,
    default: undefined,
  }),
  JWT_PUBLIC_KEY: setting<KeyObject | undefined>({
    meaning: 'Instead of that, one public key (RSA, EC or Ed25519) as PEM; `\\n` stands for a line break',
    // A line of .env holds no line breaks.
    parse: (text) => parsePublicKey(text.replaceAll('\\n', '\n')),
    default: undefined,
  }),
  JWT_ISSUER: setting<string | undefined>({
    meaning: 'The `iss` that a token must have',
    parse: (text) => text,
    default: undefined,
  }),
  JWT_AUDIENCE: setting<string | undefined>({
    meaning: 'The `aud` that a token must have',
    parse: (text) => text,
    default: undefined,
  }),
  FAILED_SIGN_INS_PER_MINUTE: setting({
    meaning:
      'How many sign-ins may fail from a network address, before further ones get 429 until the minute is over',
    parse: parseInteger(1, 1_000_000),
    default: 30,
  }),
  RATE_LIMIT_PER_ACCOUNT: setting({
    meaning: 'How many requests an account may send a minute to one server; `0`: any number',
    parse: parseInteger(0, 100_000_000),
    default: 0,
  }),
  RATE_LIMIT_PER_ADDRESS: setting({
    meaning: 'The same for a network address (of IPv6: a /64)',
    parse: parseInteger(0, 100_000_000),
    default: 0,
  }),
  TRUST_PROXY: setting<string[] | undefined>({
    meaning:
      'The proxies whose `X-Forwarded-For` is believed: addresses or CIDR blocks, comma-separated. None: it is ignored',
    parse: parseNetworks,
    default: undefined,
  }),
  CORS_ORIGINS: setting<string[]>({
    meaning:
      'The other origins whose pages may call the API, such as `https://shop.example`, comma-separated; `*`: any',
    parse: parseOrigins,
    default: ({ isLocal }) => (isLocal ? [apolloSandboxOrigin] : []),
    defaultText: 'on loopback that of Apollo Sandbox, else none',
  }),
  TLS_CERT_FILE: setting<string | undefined>({
    meaning: 'The certificate chain for HTTPS, as a PEM file. A changed file is taken up within seconds',
    parse: parsePath,
    default: undefined,
  }),
  TLS_KEY_FILE: setting<string | undefined>({
    meaning: 'The private key that goes with it',
    parse: parsePath,
    default: undefined,
  }),
  INTROSPECTION: setting({
    meaning: 'Whether accounts may ask for the schema, which explorers need',
    parse: parseBoolean,
    default: true,
  }),
  ALLOWED_OPERATIONS_FILE: setting<string | undefined>({
    meaning:
      'A JSON file of the only operations that are taken: their texts by SHA-256, or an Apollo manifest. None: any',
    parse: parsePath,
    default: undefined,
  }),
  AUTODIALER: setting({
    meaning: 'Whether there are number groups, with the REST API of the autodialer',
    parse: parseBoolean,
    default: true,
  }),
  AUTODIALER_TIME_ZONE: setting({
    meaning: 'The time zone of the dates that it writes',
    parse: parseTimeZone,
    default: 'Asia/Tehran',
  }),
  MAX_QUERY_TOKENS: setting({
    meaning: 'How many tokens (names, signs, values) a query may have',
    // Below, explorers cannot ask for the schema; above, some queries are too deep for the parser.
    parse: parseInteger(200, 4000),
    // The 1,000 ids of a deleteGroups written into it, and a selection of every field.
    default: 1200,
  }),
  MAX_QUERY_DEPTH: setting({
    meaning: 'How deep its fields may lie within each other',
    parse: parseInteger(1, 1000),
    default: 12,
  }),
  MAX_QUERY_ALIASES: setting({
    meaning: 'How many aliases it may have',
    parse: parseInteger(0, 100_000),
    default: 30,
  }),
  MAX_QUERY_ROOT_FIELDS: setting({
    meaning: 'How many root fields it may have',
    parse: parseInteger(1, 100_000),
    default: 20,
  }),
  MAX_QUERY_DIRECTIVES: setting({
    meaning: 'How many directives it may have',
    parse: parseInteger(0, 100_000),
    default: 30,
  }),
  MAX_QUERY_COST: setting({
    meaning: 'How many values its answer may hold at most, which the sizes of its lists tell beforehand',
    parse: parseInteger(1, 999_999_999),
    // Every field of 10,000 groups and of the objects in them, with room for fields to come.
    default: 300_000,
  }),
  MAX_CONCURRENT_REQUESTS: setting({
    meaning: 'How many requests are worked on at the same moment; further ones get 503 at once',
    parse: parseInteger(1, 100_000),
    default: 128,
  }),
  MAX_EVENT_LOOP_DELAY_MS: setting({
    meaning:
      'How late the event loop may be for two seconds, in milliseconds, before requests get 503 at once',
    parse: parseInteger(20, 60_000),
    default: 200,
  }),
  MAX_CONNECTIONS: setting({
    meaning: 'How many connections are open at the same moment; further ones are closed at once',
    parse: parseInteger(1, 1_000_000),
    default: 10_000,
  }),
  REQUEST_TIMEOUT_SECONDS: setting({
    meaning: 'How long a client may take to send a whole request, in seconds; its headers: a third of that',
    parse: parseInteger(1, 600),
    default: 30,
  }),
  LOG_LEVEL: setting({
    meaning: 'Which log lines are written: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`',
    parse: parseOneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    default: 'info',
  }),
} as const;

/** The settings as the server uses them: one value a name, of the type that its row in the table has. */
export type Config = {
  readonly [Name in keyof typeof settings]: (typeof settings)[Name] extends Setting<infer T> ? T : never;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** The settings of this process, and warnings for the operator: one line each. */
export type LoadedConfig = { readonly config: Config; readonly warnings: readonly string[] };

/** Reads the settings of this process: its environment, and what `.env` adds to it. @throws StartError */
export function loadConfig(host: NodeJS.Process): LoadedConfig {
  const { config, problems, warnings } = inspectConfig(host);
  if (problems.length > 0) throw new StartError(problems.join('\n'));
  return { config: config as Config, warnings };
}

/** The same for a caller that goes on with what is right: a setting that is wrong has no value. */
export function inspectConfig(host: NodeJS.Process): InspectedConfig {
  const warnings = findMisspelt(Object.keys(host.env)).map(
    ({ name, meant }) => `${name} is not a setting, and is ignored: did you mean ${meant}?`,
  );
  const fileProblems = loadEnvFile(host);
  const { config, problems } = inspectEnvironment(host.env, host.getuid?.() === 0);
  return { config, problems: [...fileProblems, ...problems], warnings };
}

export type InspectedConfig = {
  readonly config: { readonly [Name in keyof Config]: Config[Name] | undefined };
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
};

/** Adds the settings of `.env` to the environment, which has the last word. Returns the problems of the file. */
function loadEnvFile(host: NodeJS.Process): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync('.env');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    return [`.env must be a file of lines such as PORT=4000: ${(error as Error).message}`];
  }
  const { entries, problems } = parseEnvFile(bytes);
  for (const { name, value } of entries) {
    if (!(name in host.env)) host.env[name] = value;
  }
  return [...problems, ...checkNames(entries)];
}

/** A setting that is given twice has a line that is without effect, as one with a misspelt name has. */
function checkNames(entries: readonly EnvEntry[]): string[] {
  const lines = new Map(entries.toReversed().map(({ name, line }) => [name, line]));
  const repeated = entries
    .filter(({ name, line }) => Object.hasOwn(settings, name) && lines.get(name) !== line)
    .map(({ name, line }) => describeProblem(line, `${name} is set on line ${lines.get(name)} already`));
  const misspelt = findMisspelt([...lines.keys()]).map(({ name, meant }) =>
    describeProblem(lines.get(name)!, `${name} is not a setting: did you mean ${meant}?`),
  );
  return [...repeated, ...misspelt];
}

function findMisspelt(names: readonly string[]) {
  return findMisspeltNames(names, Object.keys(settings));
}

/**
 * Reads the settings from an environment. An empty value counts as not set.
 * @throws StartError that names every problem at once.
 */
export function readConfig(environment: Environment, isRoot: boolean): Config {
  const { config, problems } = inspectEnvironment(environment, isRoot);
  if (problems.length > 0) throw new StartError(problems.join('\n'));
  return config as Config;
}

function inspectEnvironment(
  environment: Environment,
  isRoot: boolean,
): Pick<InspectedConfig, 'config' | 'problems'> {
  const problems = Object.keys(environment)
    .filter((name) => name.startsWith('GROUP_API_'))
    .map((name) => `${name} is not a setting; the settings are ${Object.keys(settings).join(', ')}`);
  const isEmbedded = !environment['DATABASE_URL'];
  const isLocal = /^(|localhost|127(\.\d+){3}|::1)$/.test(environment['HOST'] ?? '');
  const context = { isRoot, isEmbedded, isLocal };

  const read = ([name, { parse, default: fallback }]: [string, Setting<unknown>]) => {
    const text = environment[name];
    if (!text) return [name, typeof fallback === 'function' ? fallback(context) : fallback];
    try {
      return [name, parse(text)];
    } catch (error) {
      problems.push(`${name} must be ${(error as Error).message}`);
      return [name, undefined];
    }
  };
  const config = Object.fromEntries(Object.entries<Setting<unknown>>(settings).map(read)) as Config;
  return { config, problems: [...problems, ...companionProblems(environment)] };
}

/** Settings that make sense only together. */
function companionProblems(environment: Environment): string[] {
  const isSet = (name: keyof Config) => Boolean(environment[name]);
  const needs = (name: keyof Config, ...others: (keyof Config)[]) =>
    isSet(name) && !others.some(isSet) ? [`${name} must be set together with ${others.join(' or ')}`] : [];
  const keys = ['JWT_JWKS_URL', 'JWT_PUBLIC_KEY'] as const;
  return [
    ...needs('TLS_CERT_FILE', 'TLS_KEY_FILE'),
    ...needs('TLS_KEY_FILE', 'TLS_CERT_FILE'),
    ...(keys.every(isSet) ? [`Set ${keys.join(' or ')}, not both`] : []),
    ...keys.flatMap((key) => [...needs(key, 'JWT_ISSUER'), ...needs(key, 'JWT_AUDIENCE')]),
    ...needs('JWT_ISSUER', ...keys),
    ...needs('JWT_AUDIENCE', ...keys),
  ];
}

/** Returns the settings as the rows of a Markdown table, for docs/settings.md. */
export function describeSettings(): string {
  return Object.entries<Setting<unknown>>(settings)
    .map(([name, { default: fallback, defaultText, meaning }]) => {
      const isShown = ['string', 'number', 'boolean'].includes(typeof fallback);
      return `| \`${name}\` | ${defaultText ?? (isShown ? `\`${String(fallback)}\`` : 'none')} | ${meaning} |`;
    })
    .join('\n');
}

/** Lets each row of the table have a type of its own. */
function setting<T>(row: Setting<T>): Setting<T> {
  return row;
}
