// @ts-check
/**
 * MessagePack, as much of it as docs/wire.md uses: nil, bool, int, float, str, bin, array, map.
 *
 * Fed by: the bytes of one data-channel message (decode) and by protocol.js (encode).
 * Feeds: protocol.js, which gives the values their meaning.
 *
 * The input is a peer's, so it is never trusted: every length is checked against the bytes that
 * are really there before anything is made of it, nesting is bounded, and what is left over
 * after the value is an error. `bin` comes back as a view into the message, not as a copy.
 */

/** Deepest nesting accepted. The wire format needs four: message, meta, list, pair. */
export const MAX_DEPTH = 8;

/** Longest array or map accepted, in elements. The longest on the wire is a list of 64 acks. */
export const MAX_ELEMENTS = 4096;

/** Bytes that are not what the wire format says; the message names what was wrong and where. */
export class WireError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = 'WireError';
  }
}

/**
 * @typedef {null | boolean | number | bigint | string | Uint8Array | WireArray | Map<string, any>} WireValue
 * @typedef {WireValue[]} WireArray
 */

const utf8 = new TextDecoder('utf-8', { fatal: true });
const toUtf8 = new TextEncoder();

/**
 * One value out of a whole message.
 * Integers beyond 2^53 come back as bigint, all others as number.
 * @param {Uint8Array} bytes
 * @returns {WireValue}
 * @throws {WireError}
 */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) {
    throw new WireError(`${bytes.length - reader.at} bytes left over after the message`);
  }
  return value;
}

class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  /**
   * Claims the next `count` bytes and returns where they begin.
   * @param {number} count
   */
  take(count) {
    const begin = this.at;
    if (count > this.bytes.length - begin) {
      throw new WireError(`message ends ${count - (this.bytes.length - begin)} bytes early, at ${begin}`);
    }
    this.at = begin + count;
    return begin;
  }

  /**
   * @param {number} depth
   * @returns {WireValue}
   */
  value(depth) {
    const tag = this.bytes[this.take(1)];
    if (tag <= 0x7f) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag <= 0x8f) return this.map(tag & 0x0f, depth);
    if (tag <= 0x9f) return this.array(tag & 0x0f, depth);
    if (tag <= 0xbf) return this.string(tag & 0x1f);
    return this.tagged(tag, depth);
  }

  /**
   * @param {number} tag
   * @param {number} depth
   * @returns {WireValue}
   */
  tagged(tag, depth) {
    switch (tag) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return this.binary(this.unsigned(tag - 0xc4));
      case 0xca: return this.view.getFloat32(this.take(4));
      case 0xcb: return this.view.getFloat64(this.take(8));
      case 0xcc: case 0xcd: case 0xce: return this.unsigned(tag - 0xcc);
      case 0xcf: return narrow(this.view.getBigUint64(this.take(8)));
      case 0xd0: return this.view.getInt8(this.take(1));
      case 0xd1: return this.view.getInt16(this.take(2));
      case 0xd2: return this.view.getInt32(this.take(4));
      case 0xd3: return narrow(this.view.getBigInt64(this.take(8)));
      case 0xd9: case 0xda: case 0xdb: return this.string(this.unsigned(tag - 0xd9));
      case 0xdc: case 0xdd: return this.array(this.unsigned(tag - 0xdc + 1), depth);
      case 0xde: case 0xdf: return this.map(this.unsigned(tag - 0xde + 1), depth);
      default:
        throw new WireError(`type 0x${tag.toString(16)} at ${this.at - 1} is not in use on this wire`);
    }
  }

  /**
   * @param {number} log2 0, 1 or 2: an 8, 16 or 32 bit unsigned integer
   */
  unsigned(log2) {
    if (log2 === 0) return this.bytes[this.take(1)];
    if (log2 === 1) return this.view.getUint16(this.take(2));
    return this.view.getUint32(this.take(4));
  }

  /** @param {number} length */
  binary(length) {
    const begin = this.take(length);
    return this.bytes.subarray(begin, begin + length);
  }

  /** @param {number} length */
  string(length) {
    const begin = this.at;
    try {
      return utf8.decode(this.binary(length));
    } catch (error) {
      if (error instanceof WireError) throw error;
      throw new WireError(`text at ${begin} is not UTF-8`);
    }
  }

  /**
   * @param {number} length
   * @param {number} depth
   */
  checkNesting(length, depth) {
    if (depth >= MAX_DEPTH) throw new WireError(`nested deeper than ${MAX_DEPTH} at ${this.at}`);
    if (length > MAX_ELEMENTS || length > this.bytes.length - this.at) {
      throw new WireError(`${length} elements announced at ${this.at}, more than can be there`);
    }
  }

  /**
   * @param {number} length
   * @param {number} depth
   */
  array(length, depth) {
    this.checkNesting(length, depth);
    /** @type {WireArray} */
    const items = [];
    for (let index = 0; index < length; index += 1) items.push(this.value(depth + 1));
    return items;
  }

  /**
   * @param {number} length
   * @param {number} depth
   */
  map(length, depth) {
    this.checkNesting(length, depth);
    /** @type {Map<string, WireValue>} */
    const entries = new Map();
    for (let index = 0; index < length; index += 1) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string') throw new WireError(`a map key before ${this.at} is not text`);
      entries.set(key, this.value(depth + 1));
    }
    return entries;
  }
}

/** @param {bigint} value */
function narrow(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * One value as MessagePack. Whole numbers take the shortest form, others are 64 bit floats;
 * a plain object becomes a map.
 * @param {any} value
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encode(value) {
  const writer = new Writer();
  writer.value(value);
  return writer.bytes.slice(0, writer.at);
}

class Writer {
  constructor() {
    this.bytes = new Uint8Array(256);
    this.view = new DataView(this.bytes.buffer);
    this.at = 0;
  }

  /** @param {number} count */
  room(count) {
    const begin = this.at;
    this.at += count;
    if (this.at > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.at, this.bytes.length * 2));
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return begin;
  }

  /** @param {any} value */
  value(value) {
    if (value === null || value === undefined) this.byte(0xc0);
    else if (value === false) this.byte(0xc2);
    else if (value === true) this.byte(0xc3);
    else if (typeof value === 'number') this.number(value);
    else if (typeof value === 'bigint') this.wide(value);
    else if (typeof value === 'string') this.string(value);
    else if (value instanceof Uint8Array) this.binary(value);
    else if (Array.isArray(value)) this.array(value);
    else if (typeof value === 'object') this.map(value);
    else throw new WireError(`cannot send a ${typeof value}`);
  }

  /** @param {number} byte */
  byte(byte) {
    const at = this.room(1);
    this.bytes[at] = byte;
  }

  /**
   * A tag and the 8, 16 or 32 bit number behind it, in the shortest of the three that fits.
   * @param {number} value
   * @param {[number, number, number]} tags tag for 8, 16 and 32 bits; 0 = that width does not exist
   */
  sized(value, tags) {
    const width = value <= 0xff && tags[0] ? 0 : value <= 0xffff ? 1 : 2;
    this.byte(tags[width]);
    const at = this.room(1 << width);
    if (width === 0) this.view.setUint8(at, value);
    else if (width === 1) this.view.setUint16(at, value);
    else this.view.setUint32(at, value);
  }

  /** @param {number} value */
  number(value) {
    if (!Number.isSafeInteger(value)) {
      this.byte(0xcb);
      const at = this.room(8);
      this.view.setFloat64(at, value);
    } else if (value >= 0 && value <= 0x7f) this.byte(value);
    else if (value < 0 && value >= -32) this.byte(0x100 + value);
    else if (value > 0 && value <= 0xffffffff) this.sized(value, [0xcc, 0xcd, 0xce]);
    else this.wide(BigInt(value));
  }

  /** @param {bigint} value */
  wide(value) {
    this.byte(value < 0n ? 0xd3 : 0xcf);
    const at = this.room(8);
    if (value < 0n) this.view.setBigInt64(at, value);
    else this.view.setBigUint64(at, value);
  }

  /** @param {string} value */
  string(value) {
    const text = toUtf8.encode(value);
    if (text.length < 32) this.byte(0xa0 | text.length);
    else this.sized(text.length, [0xd9, 0xda, 0xdb]);
    const at = this.room(text.length);
    this.bytes.set(text, at);
  }

  /** @param {Uint8Array} value */
  binary(value) {
    this.sized(value.length, [0xc4, 0xc5, 0xc6]);
    const at = this.room(value.length);
    this.bytes.set(value, at);
  }

  /** @param {any[]} items */
  array(items) {
    if (items.length < 16) this.byte(0x90 | items.length);
    else this.sized(items.length, [0, 0xdc, 0xdd]);
    for (const item of items) this.value(item);
  }

  /** @param {Record<string, any>} object */
  map(object) {
    const entries = Object.entries(object);
    if (entries.length < 16) this.byte(0x80 | entries.length);
    else this.sized(entries.length, [0, 0xde, 0xdf]);
    for (const [key, item] of entries) {
      this.string(key);
      this.value(item);
    }
  }
}
