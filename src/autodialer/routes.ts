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
import { createResponses } from './responses.ts';
import { readNumbersBody } from './uploads/json-numbers.ts';
import { readBytes, readJson } from './request-bytes.ts';
import { parseSearch } from './search-request.ts';
import {
  createAcceptCheck,
  createRepeatedKeyAudit,
  createScopeCheck,
  createSummaryHook,
  auditedHandler,
  tracedHandler,
  type ServiceName,
} from './audited-handler.ts';
import { missing, requireValid } from './request-validation.ts';
import { multipartLimits, readUpload, requireAllowedOrigin } from './uploads/multipart.ts';

/** The dependencies of the autodialer's routes. */
type AutodialerDependencies = {
  readonly mutations: MutationRunner;
  readonly numberGroups: NumberGroupRepository;
  readonly numberLists: NumberListRepository;
  /** The time zone of dates in responses. */
  readonly timeZone: string;
  /** The other origins whose pages may upload. */
  readonly corsOrigins: readonly string[];
};

const maxNumbersBodyBytes = 64 * 1024 * 1024;
const maxSearchBodyBytes = 1024 * 1024;

/** Loads the schemas at the first request: their library is a quarter of the files of a start. */
const loadSchemas = () => import('./schemas.ts');

/**
 * Registers `add`, `update`, `remove`, `search` and `upload`. Handlers validate their bodies, since some are streams.
 */
export async function registerGroupRoutes(
  groups: FastifyInstance,
  { mutations, numberGroups, numberLists, timeZone, corsOrigins }: AutodialerDependencies,
): Promise<void> {
  const responses = createResponses(numberLists, timeZone);

  const add = auditedHandler('add', mutations, async (request, _reply, describe) =>
    withDraft(request, 'numbers', async (draft) => {
      const { fields, numbersDigest } = await readNumbersBody(readStream(request), draft.add);
      const call = describe({ args: { ...fields, numbers: numbersDigest } });
      const { filename, ...groupFields } = requireValid(request, (await loadSchemas()).AddRequest, fields);
      const group = requireFields(parseFields(numberGroupFields, groupFields), ['name']);
      const source = await chooseSource(draft, numbersDigest, filename);
      if (!source) throw missing('numbers');
      return responses.added(await numberGroups.addNumberGroup(group, source, call));
    }),
  );

  const update = auditedHandler('update', mutations, async (request, reply, describe) => {
    const group = await withDraft(request, 'numbers', async (draft) => {
      const { fields, numbersDigest } = await readNumbersBody(readStream(request), draft.add);
      const call = describe({
        targetId: findId(fields['_id']),
        args: { ...fields, _id: findId(fields['_id']), numbers: numbersDigest },
      });
      const { _id, filename, ...groupFields } = requireValid(
        request,
        (await loadSchemas()).UpdateRequest,
        fields,
      );
      const changes = parseFields(numberGroupFields, groupFields);
      const source = await chooseSource(draft, numbersDigest, filename);
      if (!source && Object.keys(changes).length === 0)
        throw badInput(
          'body',
          'body must contain something to change: name, numbers, filename or description',
        );
      return numberGroups.updateNumberGroup(parseNumberGroupId(_id, '_id'), changes, source, call);
    });
    return reply.type('application/json; charset=utf-8').send(responses.updated(group));
  });

  const remove = auditedHandler('remove', mutations, async (request, _reply, describe) => {
    const { _id, id_ } = (request.body ?? {}) as { _id?: unknown; id_?: unknown };
    const targetId = findId(_id ?? id_);
    const call = describe({ targetId, args: { _id: targetId } });
    const fields = requireValid(request, (await loadSchemas()).RemoveRequest, request.body);
    const id = fields._id ?? fields.id_;
    if (id === undefined) throw missing('_id');
    if ((fields.id_ ?? id).toLowerCase() !== id.toLowerCase())
      throw badInput('id_', 'id_ must be that of _id');
    await numberGroups.removeNumberGroup(parseNumberGroupId(id, '_id'), call);
    return responses.removed();
  });

  const search: RouteHandlerMethod = async (request) => {
    const body = request.method === 'GET' ? await readJson(request, maxSearchBodyBytes) : request.body;
    const parsedSearch = parseSearch(requireValid(request, (await loadSchemas()).SearchRequest, body));
    return responses.found(parsedSearch, await numberGroups.searchNumberGroups(parsedSearch));
  };

  const upload = auditedHandler('upload', mutations, async (request, _reply, describe) =>
    withDraft(request, 'file', async (draft) => {
      const report = await readUpload(request, draft.add);
      await draft.finish();
      const filename = `${createNumberGroupId()}.${report.kind}`;
      // A repeated upload is harmless: unused uploads are removed.
      const call = { ...describe({ targetId: filename }), idempotencyKey: null };
      await numberLists.storeUpload(draft, filename, call);
      // Log counts only, no numbers and no other content of the file.
      request.log.info({ filename, ...report }, 'read a file of phone numbers');
      return responses.uploaded(filename);
    }),
  );

  /** Discards the written numbers if they are not attached to a group or an upload in the end. */
  async function withDraft<T>(
    { log }: FastifyRequest,
    field: string,
    work: (draft: NumberListDraft) => Promise<T>,
  ): Promise<T> {
    const draft = numberLists.startList(field);
    try {
      return await work(draft);
    } finally {
      // A failure does not affect the response: an unused list is removed after a day.
      await draft
        .discard()
        .catch((error: Error) => log.warn({ reason: error.message }, 'failed to discard number list'));
    }
  }

  async function chooseSource(
    draft: NumberListDraft,
    numbersDigest: string | undefined,
    filename: string | undefined,
  ): Promise<NumberSource | undefined> {
    if (numbersDigest === undefined)
      return filename === undefined ? undefined : numberLists.claimUpload(filename);
    if (filename !== undefined) throw badInput('filename', 'filename cannot be combined with numbers');
    await draft.finish();
    return draft;
  }

  function registerService(
    service: ServiceName,
    scope: FastifyInstance,
    olderMethod: string | undefined,
    handler: RouteHandlerMethod,
  ): void {
    const url = `/${service}`;
    const methods = ['POST', ...(olderMethod ? [olderMethod] : [])];
    const onRequest = [createSummaryHook(service), createScopeCheck(service, mutations)];
    if (service === 'upload') onRequest.push(async (request) => requireAllowedOrigin(request, corsOrigins));
    const config = { isStreamed: service !== 'remove' && service !== 'search', methods };
    const route = {
      url,
      onRequest: [...onRequest, createAcceptCheck(service, mutations)],
      onError: createRepeatedKeyAudit(service, mutations),
      config,
      handler: tracedHandler(handler),
    };
    scope.route({ ...route, method: 'POST' });
    if (olderMethod) scope.route({ ...route, method: olderMethod, exposeHeadRoute: false });
    scope.route({
      method: scope.supportedMethods.filter((method) => !methods.includes(method)),
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

  await groups.register(async (scope) => {
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser('application/json', async (_request: FastifyRequest, body: Readable) => body);
    registerService('add', scope, undefined, add);
    registerService('update', scope, 'PUT', update);
  });
  registerService('remove', groups, 'DELETE', remove);
  registerService('search', groups, 'GET', search);
  await groups.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    await scope.register(multipart, { limits: multipartLimits, throwFileSizeLimit: false });
    registerService('upload', scope, undefined, upload);
  });
}

/**
 * Returns the body as a stream, which the parser of these routes passes on. @throws AppError BAD_REQUEST if there is
 * none.
 */
function readStream({ body }: FastifyRequest): AsyncIterable<Buffer> {
  if (!(body instanceof Readable)) throw new AppError('BAD_REQUEST', 'There is no body');
  return readBytes(body, maxNumbersBodyBytes);
}

/** Returns the target id for the audit log, also for calls that are rejected later; undefined if it is not valid. */
function findId(value: unknown): string | undefined {
  return typeof value === 'string' && numberGroupIdPattern.test(value) ? value.toLowerCase() : undefined;
}
