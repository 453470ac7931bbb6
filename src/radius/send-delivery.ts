import { isIP } from 'node:net';
import { delivered, failed, retryAfter } from '../deliveries/stored-result.ts';
import { isAttributeName, type Attribute } from './attributes.ts';
import type { CurrentPlan, DeliveryResult, DueDelivery } from './delivery-statements.ts';
import { describeErrorCause, isTransient, mayAcceptDisconnect, sessionNotFound } from './error-causes.ts';
import type { NasClient } from './nas-client.ts';
import { normalizeAddress, type FindSecret } from './nas-list.ts';
import { packetCodes, type NasResponse } from './packet.ts';
import { retryDelaysMs } from './retry-schedule.ts';

/** What an attempt needs in addition to the delivery. */
type AttemptOptions = {
  readonly client: NasClient;
  readonly findSecret: FindSecret;
  /** Whether a CoA-Request is preferred to a Disconnect-Request. */
  readonly prefersCoa: boolean;
  /** The plan that RADIUS reads for the user of the session now; undefined if there is none. */
  readonly plan: CurrentPlan | undefined;
  /** Ends the attempt, without a result. */
  readonly signal: AbortSignal;
};

type Outcome = Pick<DeliveryResult, 'request' | 'response' | 'errorCause' | 'error'> & {
  readonly isSuccess: boolean;
  readonly mayRetry: boolean;
};

/**
 * Makes an attempt of a delivery: sends what is true for the session now, which may differ from what was true when the
 * event occurred. A session that has ended meanwhile needs no packet. Returns undefined if `signal` was aborted.
 */
export async function sendDelivery(
  delivery: DueDelivery,
  options: AttemptOptions,
): Promise<DeliveryResult | undefined> {
  const outcome = await attempt(delivery, options);
  return outcome && toResult(delivery, outcome);
}

async function attempt(delivery: DueDelivery, options: AttemptOptions): Promise<Outcome | undefined> {
  const { client, findSecret, signal } = options;
  const { nasAddress: address, isOpen } = delivery;
  if (!isOpen) return { ...noPacket, isSuccess: true, mayRetry: false, error: null };
  const secret = findSecret(address);
  // An empty secret would be one that everyone knows.
  if (!secret) {
    const reason = secret === undefined ? 'has no row for' : 'has no secret for';
    return { ...noPacket, isSuccess: false, mayRetry: true, error: `The table nas ${reason} ${address}` };
  }
  const send = async (request: 'coa' | 'disconnect', attributes: readonly Attribute[]) => {
    const code = request === 'coa' ? packetCodes.coaRequest : packetCodes.disconnectRequest;
    const response = await client.send({ address, secret }, code, attributes, signal);
    return { request, response };
  };
  let request: 'coa' | 'disconnect' | null = null;
  try {
    const session = identifySession(delivery);
    const change = changeOf(delivery, options);
    request = change ? 'coa' : 'disconnect';
    let sent = await send(request, [...session, ...(change ?? [])]);
    const { response } = sent;
    if (request === 'coa' && response?.isAck === false && mayAcceptDisconnect(response.errorCause)) {
      request = 'disconnect';
      sent = await send(request, session);
    }
    if (signal.aborted && !sent.response) return undefined;
    return describeResponse(sent.request, sent.response);
  } catch (error) {
    if (signal.aborted) return undefined;
    const { message } = error as Error;
    return {
      ...noPacket,
      request,
      isSuccess: false,
      mayRetry: !(error instanceof RangeError),
      error: message,
    };
  }
}

const noPacket = { request: null, response: null, errorCause: null } as const;

/** RFC 5176, section 3: these attributes identify the NAS and the session. */
function identifySession({ username, sessionId, nasAddress }: DueDelivery): Attribute[] {
  const isIpv6 = isIP(nasAddress) === 6;
  return [
    { attribute: 'User-Name', value: username! },
    { attribute: isIpv6 ? 'NAS-IPv6-Address' : 'NAS-IP-Address', value: nasAddress },
    { attribute: 'Acct-Session-Id', value: sessionId! },
  ];
}

/**
 * Returns all attributes of the user's current plan, if a CoA-Request can change the session to it. It cannot remove
 * the limits of another plan, so the plan must have a speed; and the address of a CoA-Request identifies the session,
 * so it must be that of the plan.
 */
function changeOf(
  { mustDisconnect, framedAddress }: DueDelivery,
  { prefersCoa, plan }: AttemptOptions,
): Attribute[] | undefined {
  if (!prefersCoa || mustDisconnect || !plan) return undefined;
  const attributes = plan.attributes.filter((one): one is Attribute => isAttributeName(one.attribute));
  const hasSpeed = attributes.some(({ attribute }) => attribute === 'Mikrotik-Rate-Limit');
  const address = attributes.find(({ attribute }) => attribute === 'Framed-IP-Address')?.value;
  const hasAddress = address === undefined || isSameAddress(address, framedAddress);
  return hasSpeed && hasAddress ? attributes : undefined;
}

function isSameAddress(one: string, other: string | null): boolean {
  return other !== null && normalizeAddress(one) === normalizeAddress(other);
}

function describeResponse(request: 'coa' | 'disconnect', response: NasResponse | undefined): Outcome {
  const name = request === 'coa' ? 'CoA' : 'Disconnect';
  if (!response) {
    const error = `No valid response to the ${name}-Request: the NAS is unreachable, ignores it, or has another secret`;
    return { ...noPacket, request, isSuccess: false, mayRetry: true, error };
  }
  const { isAck, errorCause } = response;
  const isSuccess = isAck || errorCause === sessionNotFound;
  return {
    request,
    response: isAck ? 'ack' : 'nak',
    errorCause,
    isSuccess,
    mayRetry: isTransient(errorCause),
    error: isSuccess ? null : `${name}-NAK: ${describeErrorCause(errorCause)}`,
  };
}

function toResult({ id, attempts, isOpen }: DueDelivery, outcome: Outcome): DeliveryResult {
  const { isSuccess, mayRetry, ...stored } = outcome;
  const made = isOpen ? attempts + 1 : attempts;
  const end = isSuccess ? delivered : mayRetry ? retryAfter(made, retryDelaysMs) : failed;
  return { id: String(id), attempts: made, ...end, ...stored };
}
