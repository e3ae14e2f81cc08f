// One bottleneck for all answers of a server: constant, or as a trace says. Like headgate-origin's, which serves streams but compresses
// no scripts: packets by turns, one from each answer that has bytes to send, and when one is through is computed, so that the lateness
// of timers does not add up. Only bodies count; each request waits once for the round trip.

const PACKET_MS = 10;
const MIN_PACKET = 1448;
const MAX_PACKET = 65_536;
/** How late a timer may fire without the link losing that time. */
const LATENESS_MS = 50;

export class Link {
  /** `[{ ms, kbps }]`, repeated; nothing is no limit. */
  #points;
  #rttMs = 0;
  #origin;
  #freeAt = 0;
  #busy = false;
  #queue = [];

  /** From the next request on, which begins the trace. Both may be absent. */
  shape({ points, rttMs = 0 } = {}) {
    this.#points = points;
    this.#rttMs = rttMs;
    this.#origin = undefined;
    this.#freeAt = 0;
  }

  /** Sends `bytes` by way of `write(from, to)`; stops when `gone()`. */
  async carry(bytes, write, gone) {
    this.#origin ??= performance.now();
    let ready = performance.now() + this.#rttMs;
    await sleep(this.#rttMs);
    for (let at = 0; at < bytes && !gone(); ) {
      const next = Math.min(bytes, at + this.#packet());
      if (this.#points) ready = await this.#turn(next - at, ready);
      write(at, next);
      at = next;
    }
  }

  #packet() {
    if (!this.#points) return Infinity;
    return Math.round(Math.min(MAX_PACKET, Math.max(MIN_PACKET, (this.#at(performance.now()).kbps * PACKET_MS) / 8)));
  }

  /** Resolves to when the packet was through. */
  #turn(bytes, ready) {
    return new Promise((resolve) => {
      this.#queue.push({ bytes, ready, resolve });
      if (!this.#busy) this.#next();
    });
  }

  #next() {
    const packet = this.#queue.shift();
    this.#busy = packet !== undefined;
    if (!packet) return;
    const now = performance.now();
    const end = this.#end(Math.max(packet.ready, this.#freeAt, now - LATENESS_MS), packet.bytes);
    const through = () => {
      this.#freeAt = end;
      packet.resolve(end);
      // Whoever goes on has his next packet in the queue by then.
      setImmediate(() => this.#next());
    };
    if (end <= now) through();
    else setTimeout(through, end - now);
  }

  /** The point that holds at a time, and when it ends. */
  #at(time) {
    const total = this.#points.reduce((sum, { ms }) => sum + ms, 0);
    const position = (time - this.#origin) % total;
    let end = 0;
    for (const { ms, kbps } of this.#points) {
      end += ms;
      if (position < end) return { kbps, until: time + end - position };
    }
    return { kbps: this.#points[0].kbps, until: time + this.#points[0].ms };
  }

  #end(start, bytes) {
    let time = start;
    for (let bits = bytes * 8; ; ) {
      const { kbps, until } = this.#at(time);
      const needed = kbps > 0 ? bits / kbps : Infinity;
      if (time + needed <= until) return time + needed;
      bits -= kbps * (until - time);
      time = until + 1e-6;
    }
  }
}

function sleep(ms) {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined;
}
