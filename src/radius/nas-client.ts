import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { encodeAttribute, type Attribute } from './attributes.ts';
import { normalizeAddress } from './nas-list.ts';
import { createPacketPace, type PacketPace } from './packet-pace.ts';
import {
  decodeResponse,
  encodeRequest,
  type EncodedRequest,
  type NasResponse,
  type RequestCode,
} from './packet.ts';
import { readRetransmissionDelays } from './retry-schedule.ts';

/** A NAS, and the secret that both know. */
type NasTarget = { readonly address: string; readonly secret: string };

/** Sends requests to NAS, until it is closed. */
export type NasClient = {
  /**
   * Sends a request, and the same packet again after each of the delays, until a valid response arrives. Resolves to
   * undefined if none does, or if `signal` is aborted.
   * @throws RangeError if a value cannot be encoded; an error of the system if the address cannot be reached
   */
  send(
    target: NasTarget,
    code: RequestCode,
    attributes: readonly Attribute[],
    signal: AbortSignal,
  ): Promise<NasResponse | undefined>;
  close(): void;
};

/** A request that waits for its response. */
type Waiting = {
  readonly request: EncodedRequest;
  readonly secret: string;
  readonly onResponse: (response: NasResponse) => void;
};

/** The state of one NAS. */
type Peer = { readonly pace: PacketPace; readonly waiting: Map<number, Waiting>; nextIdentifier: number };

const identifierCount = 256;

/**
 * Creates a client that sends to `port`. A packet that is not the valid response of that address and port to a request
 * is dropped, and logged nowhere: anyone can send packets.
 */
export function createNasClient({
  port,
  timeoutMs,
  onSocketError,
}: {
  readonly port: number;
  readonly timeoutMs: number;
  readonly onSocketError: (error: Error) => void;
}): NasClient {
  const delays = readRetransmissionDelays(timeoutMs);
  const peers = new Map<string, Peer>();
  const sockets = new Map<'udp4' | 'udp6', Socket>();

  const receive = (datagram: Buffer, { address, port: sourcePort }: RemoteInfo) => {
    if (sourcePort !== port || datagram.length < 2) return;
    const waiting = peers.get(withoutScope(address))?.waiting.get(datagram[1]!);
    const response = waiting && decodeResponse(datagram, waiting.request, waiting.secret);
    if (response) waiting.onResponse(response);
  };
  const socketFor = (address: string): Socket => {
    const type = isIP(address) === 6 ? 'udp6' : 'udp4';
    const open = sockets.get(type);
    if (open) return open;
    const socket = createSocket({ type, ...(type === 'udp6' && { ipv6Only: true }) });
    socket.on('message', receive);
    socket.on('error', (error) => {
      // The next packet opens another socket; requests without a response are sent again.
      if (sockets.get(type) === socket) sockets.delete(type);
      socket.close();
      onSocketError(error);
    });
    sockets.set(type, socket);
    return socket;
  };
  const peerOf = (address: string): Peer => {
    const peer = peers.get(address) ?? {
      pace: createPacketPace(),
      waiting: new Map<number, Waiting>(),
      nextIdentifier: 0,
    };
    peers.set(address, peer);
    return peer;
  };
  /** Identifiers take turns, so that a late response meets no other request. */
  const takeIdentifier = (peer: Peer): number => {
    if (peer.waiting.size === identifierCount) throw new RangeError('too many requests wait for this NAS');
    while (peer.waiting.has(peer.nextIdentifier)) peer.nextIdentifier = next(peer.nextIdentifier);
    const identifier = peer.nextIdentifier;
    peer.nextIdentifier = next(identifier);
    return identifier;
  };

  return {
    async send(target, code, attributes, signal) {
      const address = normalizeAddress(target.address);
      const peer = peerOf(address);
      const identifier = takeIdentifier(peer);
      const request = encodeRequest(code, {
        identifier,
        attributes: attributes.map(encodeAttribute),
        secret: target.secret,
      });
      const finished = new AbortController();
      let response: NasResponse | undefined;
      const finish = () => finished.abort();
      peer.waiting.set(identifier, {
        request,
        secret: target.secret,
        onResponse(valid) {
          response ??= valid;
          finish();
        },
      });
      signal.addEventListener('abort', finish, { once: true });
      if (signal.aborted) finish();
      try {
        for (const delay of delays) {
          await peer.pace.turn(finished.signal);
          if (finished.signal.aborted) break;
          await sendPacket(socketFor(address), request.bytes, port, address);
          await sleepUnlessAborted(delay, finished.signal);
        }
        return response;
      } finally {
        signal.removeEventListener('abort', finish);
        peer.waiting.delete(identifier);
      }
    },
    close() {
      for (const socket of sockets.values()) socket.close();
      sockets.clear();
    },
  };
}

function next(identifier: number): number {
  return (identifier + 1) % identifierCount;
}

/** A link-local source has the interface in its address. */
function withoutScope(address: string): string {
  return address.replace(/%.*$/, '');
}

async function sendPacket(socket: Socket, bytes: Buffer, port: number, address: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.send(bytes, port, address, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

async function sleepUnlessAborted(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, delayMs);
    signal.addEventListener('abort', finish, { once: true });
  });
}
