// A page around a driver: answers its requests, attaches its sources, keeps its messages.

export class Harness {
  constructor() {
    this.messages = [];
    this.requests = [];
    this.routes = {};
    this.video = document.createElement('video');
    this.video.muted = true;
    document.body.append(this.video);
    this.post = (message) => {
      // Throws if it could not be posted to or from a worker.
      const copy = structuredClone(message);
      this.messages.push(copy);
      if (copy.type === 'attach') this.video.src = copy.url;
      if (copy.type === 'detach') this.video.removeAttribute('src');
    };
    const native = globalThis.fetch;
    globalThis.fetch = (url, init) => {
      const path = new URL(url).pathname;
      if (!(path in this.routes)) return native(url, init);
      const request = { path, range: new Headers(init.headers).get('Range'), aborted: false, cancelled: false };
      init.signal?.addEventListener('abort', () => { request.aborted = true; });
      this.requests.push(request);
      return this.routes[path](request, init);
    };
    this.close = () => {
      globalThis.fetch = native;
      this.video.remove();
    };
  }

  /** Answers a path with these chunks of text or bytes. */
  serve(path, status, type, ...chunks) {
    this.routes[path] = async (request) => {
      const rest = chunks.map((chunk) => (typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk));
      const body = new ReadableStream({
        pull(stream) {
          if (rest.length) stream.enqueue(rest.shift());
          else stream.close();
        },
        cancel() {
          request.cancelled = true;
        },
      });
      return new Response(body, { status, headers: { 'Content-Type': type } });
    };
  }

  /** Answers a path with the same chunk for ever. */
  serveEndlessly(path, bytes) {
    const chunk = new Uint8Array(bytes).fill(0x23);
    this.routes[path] = async (request) => {
      const body = new ReadableStream({
        pull: (stream) => stream.enqueue(chunk),
        cancel() {
          request.cancelled = true;
        },
      });
      return new Response(body);
    };
  }

  /** Answers a path never, until it is aborted. */
  hang(path) {
    this.routes[path] = (request, { signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  }

  /** The next event of a type, as JSON, once it is there. */
  async event(type) {
    for (let i = 0; i < 500; i++) {
      const at = this.messages.findIndex((message) => message.type === 'event' && message.event.type === type);
      // Each is told once.
      if (at >= 0) return JSON.stringify(this.messages.splice(at, 1)[0].event);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`no event ${type}: ${JSON.stringify(this.messages)}`);
  }

  /** The requests for a path, as JSON, once there are this many. */
  async asked(path, count) {
    for (let i = 0; i < 500; i++) {
      const found = this.requests.filter((request) => request.path === path);
      if (found.length >= count) return JSON.stringify(found);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${path} was not asked for ${count} times: ${JSON.stringify(this.requests)}`);
  }
}

/** A box of this type with a payload of this many bytes. */
export function box(type, payload) {
  const bytes = new Uint8Array(8 + payload);
  new DataView(bytes.buffer).setUint32(0, bytes.length);
  bytes.set(new TextEncoder().encode(type), 4);
  return bytes;
}
