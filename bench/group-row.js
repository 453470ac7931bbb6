// The groups to delete. All values are derived from the id, so that every response can be checked.

/** Returns SQL that inserts this many rows into an empty table `groups`. */
export const fillSql = (count) => `
  INSERT INTO groups (name, description, tag_name, duration, price, username_postfix, username_postfix_id, ip)
  SELECT 'Group ' || id, 'Description of group ' || id, 'tag' || id % 100, id % 365, (id % 10000) * 0.01, '@' || id % 10, NULL, 'STATIC'
  FROM generate_series(1, ${count}) AS id`;

export const twelveFields =
  'id name description tagName duration price usernamePostfix usernamePostfixId dailyBandwidth multiLoginCount downloadUpload ip';

/** Returns what is wrong with a returned group, or undefined. Peers format the price with any number of digits. */
export function findFault(group, id) {
  if (group === null || typeof group !== 'object') return 'there is no group';
  const expected = {
    id,
    name: `Group ${id}`,
    description: `Description of group ${id}`,
    tagName: `tag${id % 100}`,
    duration: id % 365,
    usernamePostfix: `@${id % 10}`,
    usernamePostfixId: null,
    dailyBandwidth: 'unlimited',
    multiLoginCount: 1,
    downloadUpload: 'unlimited',
    ip: 'STATIC',
  };
  for (const [name, value] of Object.entries(expected))
    if (group[name] !== value)
      return `${name} is ${JSON.stringify(group[name])}, not ${JSON.stringify(value)}`;
  const price = (id % 10_000) / 100;
  return Math.abs(Number(group.price) - price) < 1e-9 ? undefined : `price is ${group.price}, not ${price}`;
}
