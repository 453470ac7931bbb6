// docs/group-api.http: a request for every operation, to send from an editor.
import { parse, valueFromASTUntyped } from 'graphql';
import { readApi } from './read-api.js';

/**
 * The order in which the schema's examples succeed on the sample groups: each depends on the changes of those before
 * it.
 */
const chapters = {
  Groups: ['group', 'groups', 'registrationGroups', 'allGroups', 'searchGroups', 'createGroup', 'editGroup'],
  'Service groups': [
    'serviceGroup',
    'serviceGroups',
    'createServiceGroup',
    'editServiceGroup',
    'deleteServiceGroup',
  ],
  Subscribers: ['subscribe', 'moveSubscribers', 'removeUserSubscription'],
  Deleting: [
    'groupDeletionImpact',
    'deleteGroup',
    'deletedGroup',
    'deletedGroups',
    'restoreGroup',
    'purgeDeletedGroup',
    'deleteGroups',
  ],
  Audit: ['auditEvents'],
};

const head = `# Every operation of group-api, for VS Code's REST Client and the HTTP client of JetBrains' editors.
# Generated from schema.graphql by \`npm run generate:docs\`: edits here are lost.
#
# Sent in this order to a new server with its sample groups, all of them succeed.

@host = http://127.0.0.1:4000
@key = the-key-that-the-first-start-prints`;

/** The vendor's documented request, with its variables, at the vendor's path. */
const vendorDeletion = `${title('Deleting: deleteGroup, as its vendor documents it')}
${postJson('deleteGroup')}

${JSON.stringify(
  {
    query:
      'mutation deleteGroup ($id: Int!) { deleteGroup (id: $id) { id name description tagName duration price usernamePostfix usernamePostfixId dailyBandwidth multiLoginCount downloadUpload ip } }',
    variables: { id: 3 },
  },
  null,
  2,
)}`;

const autodialer = `${title('Number groups of the autodialer: add')}
# VS Code fills in the _id and the filename below from the responses. In other editors, replace {{…}} by hand.
# @name added
${postJson('api/v4/autodialer/groups/add')}

${JSON.stringify({ name: 'test_group', numbers: ['1111', '2222'], description: 'from the editor' }, null, 2)}

${title('Number groups of the autodialer: upload')}
# @name uploaded
POST {{host}}/api/v4/autodialer/groups/upload
X-APIKEY: {{key}}
Content-Type: multipart/form-data; boundary=numbers

--numbers
Content-Disposition: form-data; name="file"; filename="numbers.csv"
Content-Type: text/csv

number
3333
4444
--numbers--

${title('Number groups of the autodialer: update')}
${postJson('api/v4/autodialer/groups/update')}

${JSON.stringify({ _id: '{{added.response.body.$.data._id}}', filename: '{{uploaded.response.body.$.data.filename}}' }, null, 2)}

${title('Number groups of the autodialer: search')}
${postJson('api/v4/autodialer/groups/search')}

${JSON.stringify({ alike: true, conditions: { name: 'test' }, pagination: { start: 0, count: 20 } }, null, 2)}

${title('Number groups of the autodialer: remove')}
${postJson('api/v4/autodialer/groups/remove')}

${JSON.stringify({ _id: '{{added.response.body.$.data._id}}' }, null, 2)}`;

/** Writes the collection. @throws if an operation is missing from it */
export function writeRequestCollection() {
  const { operations } = readApi();
  const names = Object.values(chapters).flat();
  const missing = operations.filter(({ name }) => !names.includes(name)).map(({ name }) => name);
  if (missing.length > 0)
    throw new Error(
      `docs/group-api.http would lack ${missing.join(', ')}: add each to the chapters of scripts/docs/request-collection.js`,
    );

  const written = Object.entries(chapters).flatMap(([chapter, members]) =>
    members.flatMap((member) =>
      writeRequests(
        chapter,
        operations.find(({ name }) => name === member),
      ),
    ),
  );
  return `${[head, ...written, vendorDeletion, autodialer].join('\n\n')}\n`;
}

/**
 * Repeatable examples go to both endpoints; of several that are not, the first goes to `/graphql`, the others to their
 * own path.
 */
function writeRequests(chapter, { name, kind, examples }) {
  const once = examples.filter((example) => !isRepeatable(kind, name, example));
  return examples.flatMap((example) => {
    const asGraphQL = writeAsGraphQL(`${chapter}: ${name}, as GraphQL`, example);
    const atOwnPath = writeAtOwnPath(`${chapter}: ${name}`, name, example);
    if (isRepeatable(kind, name, example)) return [asGraphQL, atOwnPath];
    return once.length > 1 && example === once[0] ? asGraphQL : atOwnPath;
  });
}

function isRepeatable(kind, name, example) {
  return kind === 'query' || example.includes('dryRun: true') || /^(create|edit)/.test(name);
}

function writeAsGraphQL(heading, example) {
  const query = example.trim().replaceAll(/\s+/g, ' ');
  return `${title(heading)}\n${postJson('graphql')}\n\n${JSON.stringify({ query }, null, 2)}`;
}

/** Writes the arguments alone, for the operation's own path, which returns every scalar field. */
function writeAtOwnPath(heading, name, example) {
  const [field] = parse(example).definitions[0].selectionSet.selections;
  const variables = Object.fromEntries(
    field.arguments.map((argument) => [argument.name.value, valueFromASTUntyped(argument.value)]),
  );
  return `${title(heading)}\n${postJson(name)}\n\n${JSON.stringify(variables, null, 2)}`;
}

function title(text) {
  return `### ${text}`;
}

function postJson(path) {
  return `POST {{host}}/${path}\nX-APIKEY: {{key}}\nContent-Type: application/json`;
}
