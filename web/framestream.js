// @ts-check
/**
 * One frame out of one stream (docs/wire.md, QUIC lane): its first bytes, then the chunks of one attempt, then its end.
 *
 * Fed by: quicworker.js. Feeds: quiclane.js, with a whole frame whose payload has a buffer of its own, to be handed over
 * without a copy. Pure.
 */
import { Deframer } from './deframer.js';
import { parseMessage } from './protocol.js';
import { LIMITS } from './receiver.js';
import { WireError } from './wire.js';

/** Version of the framing, the first byte of every stream. */
export const FRAMING_VERSION = 1;

/** This page's one channel. */
export const CHANNEL = 0;

/**
 * @typedef {object} WholeFrame
 * @property {number} epoch
 * @property {number} sequence
 * @property {number} attempt
 * @property {import('./protocol.js').FrameMeta} meta
 * @property {Uint8Array<ArrayBuffer>} payload
 */

export class FrameStream {
  constructor() {
    this.preamble = [FRAMING_VERSION, CHANNEL];
    this.deframer = new Deframer(LIMITS.maxMessageBytes);
    /** @type {Omit<WholeFrame, 'meta'> | null} */
    this.frame = null;
    /** @type {import('./protocol.js').FrameMeta | null} */
    this.meta = null;
    this.filled = 0;
  }

  /**
   * @param {Uint8Array} bytes what the stream brought next
   * @returns {WholeFrame | null} the frame, once it is whole
   * @throws {WireError} the stream breaks the protocol
   */
  push(bytes) {
    let at = 0;
    while (this.preamble.length > 0 && at < bytes.length) {
      if (bytes[at] !== this.preamble.shift()) throw new WireError(`a stream that begins with ${bytes[at]}`);
      at += 1;
    }
    let whole = null;
    for (const message of this.deframer.push(bytes.subarray(at))) whole = this.#chunk(parseMessage(message));
    return whole;
  }

  /**
   * @param {import('./protocol.js').Message} chunk
   * @returns {WholeFrame | null}
   */
  #chunk(chunk) {
    if (chunk.kind !== 'chunk') throw new WireError(`${chunk.kind} on a frame's stream`);
    const { epoch, sequence, attempt, frameBytes, offset, payload } = chunk;
    if (!this.frame) {
      if (frameBytes > LIMITS.maxFrameBytes) throw new WireError(`a frame of ${frameBytes} bytes, at most ${LIMITS.maxFrameBytes} are taken`);
      this.frame = { epoch, sequence, attempt, payload: new Uint8Array(frameBytes) };
    }
    const { frame } = this;
    const same = frame.epoch === epoch && frame.sequence === sequence && frame.attempt === attempt && frame.payload.length === frameBytes;
    if (!same || offset + payload.length > frameBytes) throw new WireError('a chunk of another frame');
    frame.payload.set(payload, offset);
    this.filled += payload.length;
    this.meta ??= chunk.meta;
    if (this.filled > frameBytes) throw new WireError('more than the frame has');
    return this.filled === frameBytes && this.meta ? { ...frame, meta: this.meta } : null;
  }
}
