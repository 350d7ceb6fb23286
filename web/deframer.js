// @ts-check
/**
 * Messages out of the bytes of a stream, as docs/wire.md frames them (QUIC lane): a length, 32 bits big endian, then the message.
 *
 * Fed by: quicworker.js, with what a stream brought. Feeds: framestream.js and link.js, with whole messages.
 *
 * Pure. A message that lies within one piece is handed out as a view of it; only one that is cut is put together.
 */
import { WireError } from './wire.js';

const LENGTH_BYTES = 4;

export class Deframer {
  /** @param {number} maxMessageBytes longest message taken */
  constructor(maxMessageBytes) {
    this.maxMessageBytes = maxMessageBytes;
    /** The beginning of a length or of a message. */
    this.rest = new Uint8Array(LENGTH_BYTES);
    this.filled = 0;
    /** Length of the message that `rest` holds the beginning of; null: `rest` holds that of a length. @type {number | null} */
    this.wanted = null;
  }

  /**
   * @param {Uint8Array} bytes the next piece
   * @returns {Generator<Uint8Array>} whole messages, valid until the next piece
   * @throws {WireError} a length that is no message's
   */
  *push(bytes) {
    let at = 0;
    while (at < bytes.length) {
      const wanted = this.wanted ?? LENGTH_BYTES;
      const left = bytes.length - at;
      if (this.wanted !== null && this.filled === 0 && left >= wanted) {
        const message = bytes.subarray(at, at + wanted);
        at += wanted;
        this.#next(null);
        yield message;
        continue;
      }
      const taken = Math.min(left, wanted - this.filled);
      this.rest.set(bytes.subarray(at, at + taken), this.filled);
      this.filled += taken;
      at += taken;
      if (this.filled < wanted) return;
      if (this.wanted === null) {
        this.#next(this.#length());
      } else {
        const message = this.rest;
        this.#next(null);
        yield message;
      }
    }
  }

  /** Whether nothing of a message is missing. */
  get isAtEnd() {
    return this.wanted === null && this.filled === 0;
  }

  #length() {
    const length = new DataView(this.rest.buffer).getUint32(0);
    if (length === 0 || length > this.maxMessageBytes) throw new WireError(`a message of ${length} bytes; 1 to ${this.maxMessageBytes} are taken`);
    return length;
  }

  /** @param {number | null} wanted */
  #next(wanted) {
    this.wanted = wanted;
    this.filled = 0;
    this.rest = new Uint8Array(wanted ?? LENGTH_BYTES);
  }
}
