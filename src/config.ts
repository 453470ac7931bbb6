import { isAbsolute, resolve } from 'node:path';
import { StartError } from './errors.ts';

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
type DefaultContext = { readonly isRoot: boolean; readonly isEmbedded: boolean };

/** Every setting, all read from the environment. README's table is checked against this one. */
export const settings = {
  HOST: setting({ meaning: 'The address that it listens on', parse: parseText, default: '127.0.0.1' }),
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
      'The key that opens the API, 32 characters at least. None: one is made at the first start and printed once',
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

/**
 * Reads the settings from an environment. An empty value counts as not set.
 * @throws StartError that names every problem at once.
 */
export function readConfig(environment: Environment, isRoot: boolean): Config {
  const problems = Object.keys(environment)
    .filter((name) => name.startsWith('GROUP_API_'))
    .map((name) => `${name} is not a setting; the settings are ${Object.keys(settings).join(', ')}`);
  const isEmbedded = !environment['DATABASE_URL'];

  const read = ([name, { parse, default: fallback }]: [string, Setting<unknown>]) => {
    const text = environment[name];
    if (!text) return [name, typeof fallback === 'function' ? fallback({ isRoot, isEmbedded }) : fallback];
    try {
      return [name, parse(text)];
    } catch (error) {
      problems.push(`${name} must be ${(error as Error).message}`);
      return [name, undefined];
    }
  };
  const config = Object.fromEntries(Object.entries<Setting<unknown>>(settings).map(read)) as Config;

  if (problems.length > 0) throw new StartError(problems.join('\n'));
  return config;
}

/** The settings as Markdown table rows, as README shows them. */
export function describeSettings(): string {
  return Object.entries<Setting<unknown>>(settings)
    .map(([name, { default: fallback, defaultText, meaning }]) => {
      const isShown = typeof fallback === 'string' || typeof fallback === 'number';
      return `| \`${name}\` | ${defaultText ?? (isShown ? `\`${fallback}\`` : 'none')} | ${meaning} |`;
    })
    .join('\n');
}

/** Lets each row of the table have a type of its own. */
function setting<T>(row: Setting<T>): Setting<T> {
  return row;
}

function parseText(text: string): string {
  return text;
}

function parsePath(text: string): string {
  return isAbsolute(text) ? text : resolve(text);
}

function parseInteger(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || value < min || value > max) {
      throw new Error(`a whole number from ${min} to ${max}, not "${text}"`);
    }
    return value;
  };
}

function parseBoolean(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new Error(`true or false, not "${text}"`);
  return text === 'true';
}

function parseOneOf<const T extends string>(values: readonly T[]) {
  return (text: string): T => {
    const value = values.find((each) => each === text);
    if (!value) throw new Error(`one of ${values.join(', ')}, not "${text}"`);
    return value;
  };
}

// Neither of the two below repeats the value in its message: both are secrets.
function parsePostgresUrl(text: string): string {
  if (!URL.canParse(text) || !/^postgres(ql)?:$/.test(new URL(text).protocol) || !isDecodable(text)) {
    throw new Error('a URL such as postgresql://user:password@host:5432/database');
  }
  return text;
}

/** Whether what is written with per cent signs can be read, as in `p%40ss`. */
function isDecodable(text: string): boolean {
  try {
    decodeURI(text);
    return true;
  } catch {
    return false;
  }
}

function parseApiKey(text: string): string {
  if (!/^[\x21-\x7e]{32,256}$/.test(text)) {
    throw new Error(
      '32 to 256 printable ASCII characters without spaces, for example the output of: openssl rand -hex 32',
    );
  }
  return text;
}
