import { readFileSync } from 'node:fs';
import { OperatorError } from '../errors.ts';
import { parseDatabaseUrl, type DatabaseUrl } from '../postgres/database-url.ts';
import { describeProblem, parseEnvFile, type EnvEntry } from './env-file.ts';
import { findMisspeltNames } from './misspelt-names.ts';
import { settings, type Config, type Setting } from './settings.ts';
import { warnOfSmallShare } from './share-of-pool.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The settings of this process, and warnings for the operator, one line each. */
type LoadedConfig = { readonly config: Config; readonly warnings: readonly string[] };

/** Loads the settings of this process from its environment and `.env`. @throws OperatorError */
export function loadConfig(host: NodeJS.Process): LoadedConfig {
  const { config, problems, warnings } = inspectConfig(host);
  if (problems.length > 0) throw new OperatorError(problems.join('\n'));
  return { config: config as Config, warnings };
}

/** Like `loadConfig`, but returns the problems instead of throwing: an invalid setting is undefined. */
export function inspectConfig(host: NodeJS.Process): InspectedConfig {
  const misspelt = findMisspelt(Object.keys(host.env)).map(
    ({ name, meant }) => `${name} is not a setting and is ignored: did you mean ${meant}?`,
  );
  const fileProblems = loadEnvFile(host);
  const { config, problems } = inspectEnvironment(host.env, host.getuid?.() === 0);
  // An invalid setting is reported as a problem.
  const { DATABASE_POOL_SIZE, WORKERS } = config;
  const isValid = DATABASE_POOL_SIZE !== undefined && WORKERS !== undefined;
  const small = isValid ? warnOfSmallShare({ DATABASE_POOL_SIZE, WORKERS }) : [];
  return { config, problems: [...fileProblems, ...problems], warnings: [...misspelt, ...small] };
}

export type InspectedConfig = {
  readonly config: { readonly [Name in keyof Config]: Config[Name] | undefined };
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
};

/** Adds the settings of `.env` to the environment, which takes precedence. Returns the problems of the file. */
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

/** Reports lines without effect: a setting that is set twice, or a misspelt name. */
function checkNames(entries: readonly EnvEntry[]): string[] {
  const lines = new Map(entries.toReversed().map(({ name, line }) => [name, line]));
  const repeated = entries
    .filter(({ name, line }) => Object.hasOwn(settings, name) && lines.get(name) !== line)
    .map(({ name, line }) => describeProblem(line, `${name} is already set on line ${lines.get(name)}`));
  const misspelt = findMisspelt([...lines.keys()]).map(({ name, meant }) =>
    describeProblem(lines.get(name)!, `${name} is not a setting: did you mean ${meant}?`),
  );
  return [...repeated, ...misspelt];
}

function findMisspelt(names: readonly string[]) {
  return findMisspeltNames(names, Object.keys(settings));
}

/**
 * Parses the settings of an environment. An empty value counts as unset.
 * @throws OperatorError that lists every problem.
 */
export function readConfig(environment: Environment, isRoot: boolean): Config {
  const { config, problems } = inspectEnvironment(environment, isRoot);
  if (problems.length > 0) throw new OperatorError(problems.join('\n'));
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
  const url = parseUrl(environment['DATABASE_URL']);
  const context = { isRoot, isEmbedded, isLocal, ...(url && { url }) };

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
  return {
    config,
    problems: [...problems, ...companionProblems(environment), ...urlProblems(environment, url)],
  };
}

/** Returns undefined for an invalid URL, which its row in the table reports. */
function parseUrl(text: string | undefined): DatabaseUrl | undefined {
  try {
    return text ? parseDatabaseUrl(text) : undefined;
  } catch {
    return undefined;
  }
}

/** Reports settings that DATABASE_URL sets, too. */
function urlProblems(environment: Environment, url: DatabaseUrl | undefined): string[] {
  const both = (name: keyof Config, parameter: string, value: unknown) =>
    environment[name] && value !== undefined ? [`Set ${name} or ${parameter} in DATABASE_URL, not both`] : [];
  return [
    ...both('DATABASE_POOL_SIZE', 'connection_limit', url?.poolSize),
    ...both('DATABASE_PREPARED_STATEMENTS', 'pgbouncer', url?.hasPreparedStatements),
  ];
}

/** Reports settings that depend on each other. */
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
