import { Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest, RouteHandlerMethod } from 'fastify';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import { parseFields, requireFields } from '../validation/input-parsers.ts';
import { AppError, badInput } from '../errors.ts';
import {
  createNumberGroupId,
  numberGroupFields,
  numberGroupIdPattern,
  parseNumberGroupId,
} from './number-groups/number-group.ts';
import type { NumberGroupRepository } from './number-groups/number-group-repository.ts';
import type {
  NumberListDraft,
  NumberListRepository,
  NumberSource,
} from './number-groups/number-list-repository.ts';
import { createAnswers } from './responses.ts';
import { readNumbersBody } from './uploads/json-numbers.ts';
import { readBytes, readJson } from './request-bytes.ts';
import { AddRequest, RemoveRequest, SearchRequest, UpdateRequest } from './schemas.ts';
import { readSearch } from './search-request.ts';
import {
  createRepeatedKeyRecorder,
  createScopeCheck,
  recorded,
  type ServiceName,
} from './audited-handler.ts';
import { missing, requireValid } from './request-validation.ts';
import { serviceDocuments } from './openapi-operations.ts';
import { multipartLimits, readUpload, requireKnownPage } from './uploads/multipart.ts';

/** What the autodialer's routes work with. */
export type AutodialerDoors = {
  readonly mutations: MutationRunner;
  readonly numberGroups: NumberGroupRepository;
  readonly numberLists: NumberListRepository;
  /** Of the dates that it writes. */
  readonly timeZone: string;
  /** The other origins whose pages may upload. */
  readonly corsOrigins: readonly string[];
};

const maxNumbersBodyBytes = 64 * 1024 * 1024;
const maxSearchBodyBytes = 1024 * 1024;

/** `add`, `update`, `remove`, `search` and `upload`. Each checks its body itself, since some of them are streams. */
export async function registerGroupRoutes(
  groups: FastifyInstance,
  { mutations, numberGroups, numberLists, timeZone, corsOrigins }: AutodialerDoors,
): Promise<void> {
  const answers = createAnswers(numberLists, timeZone);

  const add = recorded('add', mutations, async (request, _reply, describe) =>
    withDraft(request, 'numbers', async (draft) => {
      const { fields, numbersDigest } = await readNumbersBody(readStream(request), draft.add);
      const call = describe({ args: { ...fields, numbers: numbersDigest } });
      const { filename, ...given } = requireValid(request, AddRequest, fields);
      const group = requireFields(parseFields(numberGroupFields, given), ['name']);
      const source = await chooseSource(draft, numbersDigest, filename);
      if (!source) throw missing('numbers');
      return answers.added(await numberGroups.addNumberGroup(group, source, call));
    }),
  );

  const update = recorded('update', mutations, async (request, reply, describe) => {
    const group = await withDraft(request, 'numbers', async (draft) => {
      const { fields, numbersDigest } = await readNumbersBody(readStream(request), draft.add);
      const call = describe({
        targetId: findId(fields['_id']),
        args: { ...fields, _id: findId(fields['_id']), numbers: numbersDigest },
      });
      const { _id, filename, ...given } = requireValid(request, UpdateRequest, fields);
      const changes = parseFields(numberGroupFields, given);
      const source = await chooseSource(draft, numbersDigest, filename);
      if (!source && Object.keys(changes).length === 0)
        throw badInput('body', 'body must hold something to change: name, numbers, filename or description');
      return numberGroups.updateNumberGroup(parseNumberGroupId(_id, '_id'), changes, source, call);
    });
    return reply.type('application/json; charset=utf-8').send(answers.updated(group));
  });

  const remove = recorded('remove', mutations, async (request, _reply, describe) => {
    const { _id, id_ } = (request.body ?? {}) as { _id?: unknown; id_?: unknown };
    const targetId = findId(_id ?? id_);
    const call = describe({ targetId, args: { _id: targetId } });
    const given = requireValid(request, RemoveRequest, request.body);
    const id = given._id ?? given.id_;
    if (id === undefined) throw missing('_id');
    if ((given.id_ ?? id).toLowerCase() !== id.toLowerCase())
      throw badInput('id_', 'id_ must be that of _id');
    await numberGroups.removeNumberGroup(parseNumberGroupId(id, '_id'), call);
    return answers.removed();
  });

  const search: RouteHandlerMethod = async (request) => {
    const body = request.method === 'GET' ? await readJson(request, maxSearchBodyBytes) : request.body;
    const asked = readSearch(requireValid(request, SearchRequest, body));
    return answers.found(asked, await numberGroups.searchNumberGroups(asked));
  };

  const upload = recorded('upload', mutations, async (request, _reply, describe) =>
    withDraft(request, 'file', async (draft) => {
      const report = await readUpload(request, draft.add);
      await draft.finish();
      const filename = `${createNumberGroupId()}.${report.kind}`;
      // A repeated upload does no harm: what nobody takes is removed.
      const call = { ...describe({ targetId: filename }), idempotencyKey: null };
      await numberLists.keepUpload(draft, filename, call);
      // Counts only: no number and no other content of the file goes into the log.
      request.log.info({ filename, ...report }, 'read a file of phone numbers');
      return answers.uploaded(filename);
    }),
  );

  /** Numbers that are written on the way are taken back where they are not kept in the end. */
  async function withDraft<T>(
    { log }: FastifyRequest,
    field: string,
    work: (draft: NumberListDraft) => Promise<T>,
  ): Promise<T> {
    const draft = numberLists.startList(field);
    try {
      return await work(draft);
    } finally {
      // Whatever became of the request stays as it is: a list that is left is removed after a day.
      await draft.discard().catch((error: Error) => log.warn({ reason: error.message }, 'a list was left'));
    }
  }

  async function chooseSource(
    draft: NumberListDraft,
    numbersDigest: string | undefined,
    filename: string | undefined,
  ): Promise<NumberSource | undefined> {
    if (numbersDigest === undefined)
      return filename === undefined ? undefined : numberLists.takeUpload(filename);
    if (filename !== undefined)
      throw badInput('filename', 'filename must not be given together with numbers');
    await draft.finish();
    return draft;
  }

  function registerService(
    service: ServiceName,
    room: FastifyInstance,
    olderMethod: string | undefined,
    handler: RouteHandlerMethod,
  ): void {
    const url = `/${service}`;
    const methods = ['POST', ...(olderMethod ? [olderMethod] : [])];
    const onRequest = [createScopeCheck(service, mutations)];
    if (service === 'upload') onRequest.push(async (request) => requireKnownPage(request, corsOrigins));
    const config = { isStreamed: service !== 'remove' && service !== 'search', methods };
    const onError = createRepeatedKeyRecorder(service, mutations);
    room.post(
      url,
      { onRequest, onError, config: { ...config, document: serviceDocuments[service] } },
      handler,
    );
    if (olderMethod)
      room.route({ method: olderMethod, url, exposeHeadRoute: false, onRequest, onError, config, handler });
    room.route({
      method: room.supportedMethods.filter((method) => !methods.includes(method)),
      url,
      config: { methods },
      onRequest: [
        ...onRequest,
        async (_request, reply) => {
          reply.header('Allow', methods.join(', '));
          throw new AppError('METHOD_NOT_ALLOWED', `Use ${methods.join(' or ')}`);
        },
      ],
      handler: () => undefined,
    });
  }

  await groups.register(async (room) => {
    room.removeContentTypeParser('application/json');
    room.addContentTypeParser('application/json', async (_request: FastifyRequest, body: Readable) => body);
    registerService('add', room, undefined, add);
    registerService('update', room, 'PUT', update);
  });
  registerService('remove', groups, 'DELETE', remove);
  registerService('search', groups, 'GET', search);
  await groups.register(async (room) => {
    room.removeAllContentTypeParsers();
    await room.register(multipart, { limits: multipartLimits, throwFileSizeLimit: false });
    registerService('upload', room, undefined, upload);
  });
}

/** The body that the parser of these routes left as it comes in. @throws AppError BAD_REQUEST where there is none. */
function readStream({ body }: FastifyRequest): AsyncIterable<Buffer> {
  if (!(body instanceof Readable)) throw new AppError('BAD_REQUEST', 'There is no body');
  return readBytes(body, maxNumbersBodyBytes);
}

/** The id that the audit of a call names, which may be refused. */
function findId(value: unknown): string | undefined {
  return typeof value === 'string' && numberGroupIdPattern.test(value) ? value.toLowerCase() : undefined;
}
