/** At most 50 packets a second: 20 ms apart, and 1 ms because timers may be early. */
const packetIntervalMs = 21;

/** Spaces the packets to one NAS, retransmissions included. */
export type PacketPace = {
  /** Resolves when the next packet may be sent, in the order of the calls. An aborted turn takes no time. */
  turn(signal: AbortSignal): Promise<void>;
};

export function createPacketPace(): PacketPace {
  let sentAt = -Infinity;
  let last: Promise<void> = Promise.resolve();
  return {
    turn(signal) {
      last = last.then(async () => {
        if (signal.aborted) return;
        const waitMs = sentAt + packetIntervalMs - performance.now();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        sentAt = performance.now();
      });
      return last;
    },
  };
}
