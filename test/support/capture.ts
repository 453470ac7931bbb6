/** A UDP packet over IPv4, between addresses as four numbers. */
type Datagram = {
  readonly source: { readonly address: readonly number[]; readonly port: number };
  readonly target: { readonly address: readonly number[]; readonly port: number };
  readonly payload: Buffer;
};

/** Writes datagrams as a file of libpcap, as tcpdump would have captured them on an Ethernet. */
export function writeCapture(datagrams: readonly Datagram[]): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65_535, 16);
  head.writeUInt32LE(1, 20);
  return Buffer.concat([
    head,
    ...datagrams.map((datagram, index) => writeRecord(writeFrame(datagram), index)),
  ]);
}

function writeRecord(frame: Buffer, index: number): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(1_700_000_000, 0);
  head.writeUInt32LE(index, 4);
  head.writeUInt32LE(frame.length, 8);
  head.writeUInt32LE(frame.length, 12);
  return Buffer.concat([head, frame]);
}

function writeFrame({ source, target, payload }: Datagram): Buffer {
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(source.port, 0);
  udp.writeUInt16BE(target.port, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  const ip = Buffer.alloc(20);
  ip[0] = 0x45;
  ip.writeUInt16BE(28 + payload.length, 2);
  ip[8] = 64;
  ip[9] = 17;
  ip.set(source.address, 12);
  ip.set(target.address, 16);
  let sum = 0;
  for (let offset = 0; offset < 20; offset += 2) sum += ip.readUInt16BE(offset);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  ip.writeUInt16BE(~sum & 0xffff, 10);
  const ethernet = Buffer.alloc(14);
  ethernet.writeUInt16BE(0x0800, 12);
  return Buffer.concat([ethernet, ip, udp, payload]);
}
