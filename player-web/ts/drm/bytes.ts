// Bytes, and words about what went wrong that hold none of them.

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

/** A copy of what may be bytes, or text; `undefined` if it is neither. */
export function toBytes(value: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (typeof value === 'string') return new TextEncoder().encode(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value.slice(0));
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength).slice();
  return undefined;
}

/** What an error says, without URLs, and without runs of letters and digits that may be a key, a licence or a token. */
export function words(error: unknown): string {
  const { name = 'Error', message = '' } = (typeof error === 'object' && error) as { name?: unknown; message?: unknown };
  const text = String(message).replace(/\S+:\/\/\S+/g, '(url)').replace(/[\w+/=.~-]{20,}/g, '…').replace(/["{[][^]*/, '…');
  return text ? `${name}: ${text.slice(0, 200)}` : String(name);
}
