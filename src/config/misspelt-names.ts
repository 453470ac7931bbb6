/** An unknown name, and the valid name that was probably meant. */
type MisspeltName = { readonly name: string; readonly meant: string };

/** Names that other programs and platforms give to a setting. */
const namesElsewhere: Readonly<Record<string, string>> = {
  POSTGRES_URL: 'DATABASE_URL',
  POSTGRESQL_URL: 'DATABASE_URL',
  POSTGRES_URI: 'DATABASE_URL',
  PG_URL: 'DATABASE_URL',
  DB_URL: 'DATABASE_URL',
  DB_URI: 'DATABASE_URL',
  DATABASE_URI: 'DATABASE_URL',
  DATABASE_DSN: 'DATABASE_URL',
};

/**
 * Finds names that are probably misspelt: they equal a valid name except for case and separators, or are a few typing
 * mistakes away. A valid name that is in `names` itself is never suggested.
 */
export function findMisspeltNames(names: readonly string[], validNames: readonly string[]): MisspeltName[] {
  const candidates = validNames.filter((candidate) => !names.includes(candidate));
  return names.flatMap((name) => {
    if (validNames.includes(name)) return [];
    const meant = candidates.find(
      (candidate) => namesElsewhere[name] === candidate || isMisspelling(name, candidate),
    );
    return meant === undefined ? [] : [{ name, meant }];
  });
}

function isMisspelling(name: string, validName: string): boolean {
  // A name with a suffix, such as DATABASE_URL_OLD, is intended.
  if (/^_\w/.test(name.slice(validName.length)) && name.startsWith(validName)) return false;
  const [written, meant] = [normalise(name), normalise(validName)];
  if (written === meant) return true;
  // Other programs use words that differ from a short name by one letter: POST, SORT, HOSTS.
  if (meant.length < 6) return isTransposition(written, meant);
  // The first letter is rarely wrong, and SSL_CERT_FILE belongs to another program.
  const maxDistance = meant.length >= 10 && written[0] === meant[0] ? 2 : 1;
  return (
    Math.abs(written.length - meant.length) <= maxDistance && editDistance(written, meant) <= maxDistance
  );
}

function normalise(name: string): string {
  return name.replaceAll(/[\s_.-]/g, '').toUpperCase();
}

function isTransposition(written: string, meant: string): boolean {
  return (
    written.length === meant.length && editDistance(written, meant) === 1 && sorted(written) === sorted(meant)
  );
}

function sorted(text: string): string {
  return text.split('').toSorted().join('');
}

/** Returns the number of letters to insert, remove, replace or transpose (optimal string alignment distance). */
function editDistance(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const isSame = one[row - 1] === other[column - 1];
      const isSwapped =
        row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current[column] = Math.min(
        last[column]! + 1,
        current[column - 1]! + 1,
        last[column - 1]! + (isSame ? 0 : 1),
        isSwapped ? beforeLast[column - 2]! + 1 : Infinity,
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[other.length]!;
}
