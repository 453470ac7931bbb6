import { beforeAll, describe, expect, test } from '@jest/globals';
import { useAutodialerCallers } from '../support/autodialer-callers.ts';
import { createAutodialerClient, failure, groupsPath } from '../support/autodialer.ts';
import { useTestApp } from '../support/test-app.ts';

// The vendor's table of errors, row by row: the status and the message.
const app = useTestApp({ FAILED_SIGN_INS_PER_MINUTE: 1_000_000 });
const { ask } = useAutodialerCallers(app);
const { addGroup, readNumbers } = createAutodialerClient(() => app);
/** A placeholder for the id of an existing group. */
const there = 'there';
let existing: string;
beforeAll(async () => {
  existing = await addGroup({ name: 'existing', numbers: ['1', '2'], description: 'd' });
});

const json = 'application/json';
const id = '6033876dc92de036d1390923';
const deniedTo = (service: string) => `autodialer/groups/${service};Access denied`;

describe("the vendor's table of errors", () => {
  test.each([
    ['anonymous', 'remove', json, `{"_id":"${id}"}`, 401, 'BasicAuth or ApiKey is missing'],
    ['an unknown key', 'remove', json, `{"_id":"${id}"}`, 401, 'BasicAuth or ApiKey is invalid'],
    ['no scope', 'remove', json, `{"_id":"${id}"}`, 403, deniedTo('remove')],
    ['no scope', 'search', json, '{}', 403, deniedTo('search')],
    ['another network', 'remove', json, `{"_id":"${id}"}`, 403, 'IP is not permitted'],
    ['admin', 'remove', 'text/plain', '{}', 415, 'Unsupported Media Type'],
    ['admin', 'add', 'application/x-www-form-urlencoded', 'name=a', 415, 'Unsupported Media Type'],
    ['admin', 'upload', json, '{}', 415, 'Unsupported Media Type'],
    ['admin', 'remove', json, '{"_id":', 400, 'Unable to parse content'],
    ['admin', 'remove', json, '[]', 400, 'Unable to parse content'],
    ['admin', 'remove', json, '"x"', 400, 'Unable to parse content'],
    ['admin', 'remove', json, '', 400, 'Unable to parse content'],
    ['admin', 'add', json, '', 400, 'Unable to parse content'],
    ['admin', 'add', json, '{"name":"a","numbers":["1",]}', 400, 'Unable to parse content'],
    ['admin', 'add', json, '{"name":"a","numbers":["1"]', 400, 'Unable to parse content'],
    ['admin', 'add', json, '{"name":"a","numbers":["1"]}}', 400, 'Unable to parse content'],
    ['admin', 'add', json, '["name"]', 400, 'Unable to parse content'],
    ['admin', 'search', json, '{"__proto__":{}}', 400, 'Unable to parse content'],
    ['admin', 'upload', 'multipart/form-data', 'x', 400, 'Unable to parse content'],
    ['admin', 'upload', 'multipart/form-data; boundary=b', '--b\r\nx', 400, 'Unable to parse content'],
    ['admin', 'nothing', json, '{}', 501, 'Requested service does not exist'],
    ['admin', 'remove/', json, '{}', 501, 'Requested service does not exist'],
    ['anonymous', 'nothing', json, '{}', 401, 'BasicAuth or ApiKey is missing'],
    ['admin', 'remove', json, '{}', 200, "Field '_id':value is missing"],
    ['admin', 'remove', json, '{"_id":"x"}', 200, "Field '_id':value must be 24 hexadecimal digits"],
    ['admin', 'remove', json, '{"_id":7}', 200, "Field '_id':value must be a string"],
    ['admin', 'remove', json, '{"_id":null}', 200, "Field '_id':value must be a string"],
    ['admin', 'remove', json, `{"_id":"${id}"}`, 200, "Field '_id':There is no such group"],
    ['admin', 'remove', json, `{"id_":"${id}"}`, 200, "Field '_id':There is no such group"],
    [
      'admin',
      'remove',
      json,
      `{"_id":"${id}","id_":"${id.replace('6', '7')}"}`,
      200,
      "Field 'id_':value must be that of _id",
    ],
    ['admin', 'remove', json, `{"_id":"${id}","force":true}`, 200, "Field 'force':there is no such field"],
    ['admin', 'update', json, `{"_id":"${id}","name":"a"}`, 200, "Field '_id':There is no such group"],
    ['admin', 'update', json, '{"name":"a"}', 200, "Field '_id':value is missing"],
    [
      'admin',
      'update',
      json,
      `{"_id":"${id}"}`,
      200,
      "Field 'body':value must contain something to change: name, numbers, filename or description",
    ],
    ['no scope', 'remove', json, `{"_id":"${there}"}`, 403, deniedTo('remove')],
    ['no scope', 'update', json, `{"_id":"${there}","name":"a"}`, 403, deniedTo('update')],
    ['admin', 'remove', json, `{"_id":"${there}","extra":1}`, 200, "Field 'extra':there is no such field"],
    ['admin', 'remove', json, `{"_id":"${there}"`, 400, 'Unable to parse content'],
    [
      'admin',
      'update',
      json,
      `{"_id":"${there}"}`,
      200,
      "Field 'body':value must contain something to change: name, numbers, filename or description",
    ],
    ['admin', 'update', json, `{"_id":"${there}","name":" "}`, 200, "Field 'name':value must not be blank"],
    [
      'admin',
      'update',
      json,
      `{"_id":"${there}","name":"a","numbers":["x"]}`,
      200,
      "Field 'numbers':value 1 must be a string of 1 to 32 of the characters + 0-9 * #",
    ],
    [
      'admin',
      'update',
      json,
      `{"_id":"${there}","name":"a","filename":"b.csv"}`,
      200,
      "Field 'filename':There is no such file: it was used, or is older than a day. Upload it again",
    ],
    ['admin', 'update', json, `{"_id":"${there}","nme":"a"}`, 200, "Field 'nme':there is no such field"],
    ['admin', 'remove%', json, '{}', 400, 'Malformed URL'],
    ['admin', 'add', json, '{"numbers":["1"]}', 200, "Field 'name':value is missing"],
    ['admin', 'add', json, '{"name":"a"}', 200, "Field 'numbers':value is missing"],
    ['admin', 'add', json, '{"name":" ","numbers":[]}', 200, "Field 'name':value must not be blank"],
    ['admin', 'add', json, '{"name":5,"numbers":[]}', 200, "Field 'name':value must be a string"],
    ['admin', 'add', json, '{"name":{},"numbers":[]}', 200, "Field 'name':value must be a string"],
    [
      'admin',
      'add',
      json,
      `{"name":"${'a'.repeat(129)}","numbers":[]}`,
      200,
      "Field 'name':value must have at most 128 characters",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","name":"b","numbers":[]}',
      200,
      "Field 'name':value must not be repeated",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","numbers":"1111"}',
      200,
      "Field 'numbers':value must be a list of strings",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","numbers":["1","0912 a45"]}',
      200,
      "Field 'numbers':value 2 must be a string of 1 to 32 of the characters + 0-9 * #",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","numbers":[1111]}',
      200,
      "Field 'numbers':value 1 must be a string of 1 to 32 of the characters + 0-9 * #",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","numbers":[[]]}',
      200,
      "Field 'numbers':value 1 must be a string of 1 to 32 of the characters + 0-9 * #",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","numbers":["1"],"filename":"b.csv"}',
      200,
      "Field 'filename':value cannot be combined with numbers",
    ],
    [
      'admin',
      'add',
      json,
      '{"name":"a","filename":"../b.csv"}',
      200,
      "Field 'filename':There is no such file: it was used, or is older than a day. Upload it again",
    ],
    ['admin', 'search', json, '{"alike":"maybe"}', 200, "Field 'alike':value must be true or false"],
    [
      'admin',
      'search',
      json,
      '{"conditions":{"nme":"a"}}',
      200,
      "Field 'conditions.nme':there is no such field",
    ],
    [
      'admin',
      'search',
      json,
      '{"conditions":{"name":5}}',
      200,
      "Field 'conditions.name':value must be a string",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"count":0}}',
      200,
      "Field 'pagination.count':value must be at least 1",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"count":1001}}',
      200,
      "Field 'pagination.count':value must be at most 1000",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"start":-1}}',
      200,
      "Field 'pagination.start':value must be at least 0",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"start":"0"}}',
      200,
      "Field 'pagination.start':value must be a whole number",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"sorting":{"date":2}}}',
      200,
      "Field 'pagination.sorting.date':value must be 1 (ascending) or -1 (descending)",
    ],
    [
      'admin',
      'search',
      json,
      '{"pagination":{"sorting":{"size":1}}}',
      200,
      "Field 'pagination.sorting.size':there is no such field",
    ],
  ])('%s at %s with %s %s: %d "%s"', async (caller, service, type, body, status, message) => {
    const before = await readNumbers();
    const answer = await ask(
      caller,
      'POST',
      `${groupsPath}/${service}`,
      type,
      body.replaceAll(there, existing),
    );
    expect([answer.status, answer.body]).toStrictEqual([status, failure(message)]);
    expect(answer.response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.response.headers.get('x-request-id')).toBeTruthy();
    expect(await readNumbers()).toStrictEqual(before);
  });
});
