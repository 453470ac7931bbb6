import type { FastifyInstance } from 'fastify';
import { AppError } from '../../errors.ts';
import { requireUniqueKeys } from './repeated-key.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Accepts a request of the media type JSON without a body. */
    isBodyOptional?: boolean;
  }
}

/** Takes bodies of JSON in UTF-8 and nothing else: what a form can send is not taken, which keeps other sites' pages out. */
export function acceptOnlyJson(http: FastifyInstance): void {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  // Fastify's own, which refuses keys such as `__proto__`.
  const parseJson = http.getDefaultJsonParser('error', 'error');

  http.removeAllContentTypeParsers();
  http.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0 && request.routeOptions.config.isBodyOptional) {
      done(null, undefined);
      return;
    }
    let text: string;
    try {
      text = decoder.decode(body as Buffer);
    } catch {
      done(new AppError('BAD_REQUEST', 'The body is not valid UTF-8'));
      return;
    }
    void parseJson(request, text, (error, value: unknown) => {
      if (error) {
        done(new AppError('BAD_REQUEST', text === '' ? 'The body is empty' : 'The body is not valid JSON'));
        return;
      }
      try {
        requireUniqueKeys(text, value);
      } catch (repeated) {
        done(repeated as AppError);
        return;
      }
      done(null, value);
    });
  });

  // Not before it is known who asks, and whether for something that they may do.
  http.addHook('preParsing', ({ headers }, _reply, _payload, done) => {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding === 'identity') done();
    else done(new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send the body as it is, without a Content-Encoding'));
  });
}
