// @ts-check
/**
 * The receiving half of a link, as a pure state machine: messages in, whole frames and answers out.
 *
 * Fed by: link.js, with each data-channel message as it arrives.
 * Feeds: link.js, with frames in order of their sequence and with the messages to send back.
 *
 * It has no clock, no timer and no socket. Everything it keeps is bounded by `LIMITS`. The hash in
 * a frame's meta is not checked here: a data channel is already integrity protected (DTLS).
 */
import { ack, eofAck, FRAME_ERROR, frameError, hello, parseMessage } from './protocol.js';

export const LIMITS = Object.freeze({
  /** Largest message taken. Chunks towards a browser are 16 KiB; this is what browsers themselves allow. */
  maxMessageBytes: 262_144,
  /** Largest frame taken, whole. A 4K JPEG at quality 95 has about 6 MB. */
  maxFrameBytes: 16 * 1024 * 1024,
  /** Frames in reassembly at once; one lane has one, lanes that die leave some behind. */
  maxPartials: 8,
  /** Complete frames that wait for an earlier one. When full, the earlier one is given up. */
  maxHeld: 8,
  /** How long they wait, ms: what a lost packet of the earlier one takes to come again, on most paths. */
  maxHeldMs: 250,
  /** Pairs in one ack (docs/wire.md). */
  maxAckPairs: 64,
});

/** Credit shown to the sender: what it may have unacknowledged. Two seconds of 30 fps, at most. */
export const WINDOW = Object.freeze({ frames: 64, bytes: LIMITS.maxFrameBytes });

/**
 * @typedef {object} ReceivedFrame
 * @property {number} sequence
 * @property {import('./protocol.js').FrameMeta} meta
 * @property {Uint8Array} payload
 *
 * @typedef {object} Partial
 * @property {number} attempt
 * @property {import('./protocol.js').FrameMeta} meta
 * @property {Uint8Array} payload
 * @property {number} filled bytes received, from the start
 *
 * @typedef {object} Handled
 * @property {import('./protocol.js').Message | null} message what arrived; null: a whole frame
 * @property {boolean} accepted false: ignored, because it is another epoch's
 * @property {ReceivedFrame[]} frames frames it completed, in order
 * @property {Uint8Array<ArrayBuffer>[]} replies messages to send back now
 */

export class FrameReceiver {
  constructor() {
    /** @type {number | null} unknown until the sender's first message */
    this.epoch = null;
    /** First frame not delivered yet. */
    this.nextSequence = 0;
    /** @type {Map<number, Partial>} */
    this.partials = new Map();
    /** @type {Map<number, {frame: ReceivedFrame, attempt: number}>} complete, but not next */
    this.held = new Map();
    /** Since when frames have been waiting for an earlier one, ms. @type {number | null} */
    this.heldSinceMs = null;
    /** The attempt refused last, as `sequence/attempt`. */
    this.lastRefused = '';
    this.stats = {
      messages: 0, bytes: 0, frames: 0, frameBytes: 0,
      duplicates: 0, refused: 0, abandoned: 0, skipped: 0, malformed: 0, otherEpoch: 0, unknownKind: 0,
    };
  }

  /**
   * @param {Uint8Array} bytes one whole message
   * @param {number} [nowMs] any clock that rises
   * @returns {Handled}
   * @throws {import('./wire.js').WireError} not a message; counted in `stats.malformed`; the receiver stays usable
   */
  handleMessage(bytes, nowMs = 0) {
    this.stats.messages += 1;
    this.stats.bytes += bytes.length;
    try {
      return this.#handle(parseMessage(bytes), nowMs);
    } catch (error) {
      this.stats.malformed += 1;
      throw error;
    }
  }

  /**
   * A frame that came whole, put together elsewhere.
   * @param {import('./framestream.js').WholeFrame} whole
   * @param {number} [nowMs]
   * @returns {Handled}
   */
  handleFrame({ epoch, sequence, attempt, meta, payload }, nowMs = 0) {
    this.stats.messages += 1;
    this.stats.bytes += payload.length;
    const handled = this.#begin(null, epoch);
    if (handled.accepted) this.#whole({ sequence, meta, payload }, attempt, nowMs, handled);
    return handled;
  }

  /** The greeting of this side; the first frame it wants is the one after the last delivered. */
  greeting() {
    return hello(this.epoch ?? 0, LIMITS.maxMessageBytes, WINDOW, this.nextSequence);
  }

  /** The same where signalling has told the link's epoch. @param {number} epoch */
  greetingOf(epoch) {
    this.epoch ??= epoch;
    return this.greeting();
  }

  /**
   * @param {import('./protocol.js').Message | null} message
   * @param {number} epoch
   */
  #begin(message, epoch) {
    const first = this.epoch === null;
    if (first) this.epoch = epoch;
    /** @type {Handled} */
    const handled = { message, accepted: epoch === this.epoch, frames: [], replies: [] };
    if (!handled.accepted) this.stats.otherEpoch += 1;
    else if (first) handled.replies.push(this.greeting());
    return handled;
  }

  /**
   * @param {import('./protocol.js').Message} message
   * @param {number} nowMs
   * @returns {Handled}
   */
  #handle(message, nowMs) {
    const handled = this.#begin(message, message.epoch);
    if (!handled.accepted) return handled;
    if (message.kind === 'chunk') this.#chunk(message, nowMs, handled);
    else if (message.kind === 'eof') handled.replies.push(eofAck(message.epoch, this.stats.frames - this.held.size, 0));
    else if (message.kind === 'unknown') this.stats.unknownKind += 1;
    return handled;
  }

  /**
   * @param {Extract<import('./protocol.js').Message, {kind: 'chunk'}>} chunk
   * @param {number} nowMs
   * @param {Handled} handled
   */
  #chunk(chunk, nowMs, handled) {
    if (chunk.sequence < this.nextSequence || this.held.has(chunk.sequence)) {
      this.stats.duplicates += 1;
      handled.replies.push(this.#ack(chunk.sequence, chunk.attempt));
      return;
    }
    const partial = this.#partialFor(chunk, handled);
    if (!partial) return;
    if (partial.filled !== chunk.offset || chunk.payload.length > partial.payload.length - partial.filled) {
      this.#refuse(chunk, FRAME_ERROR.conflict, `chunk at ${chunk.offset}, expected at ${partial.filled} of ${partial.payload.length}`, handled);
      return;
    }
    partial.payload.set(chunk.payload, chunk.offset);
    partial.filled += chunk.payload.length;
    if (partial.filled < partial.payload.length) return;
    this.#whole({ sequence: chunk.sequence, meta: partial.meta, payload: partial.payload }, chunk.attempt, nowMs, handled);
  }

  /**
   * @param {ReceivedFrame} frame
   * @param {number} attempt
   * @param {number} nowMs
   * @param {Handled} handled
   */
  #whole(frame, attempt, nowMs, handled) {
    if (frame.sequence < this.nextSequence || this.held.has(frame.sequence)) this.stats.duplicates += 1;
    else this.#complete(frame, attempt, nowMs, handled.frames);
    this.partials.delete(frame.sequence);
    handled.replies.push(this.#ack(frame.sequence, attempt));
  }

  /**
   * The reassembly that a chunk belongs to: a new one for the first chunk of an attempt.
   * @param {Extract<import('./protocol.js').Message, {kind: 'chunk'}>} chunk
   * @param {Handled} handled
   * @returns {Partial | null} null: the chunk is of no use
   */
  #partialFor(chunk, handled) {
    const known = this.partials.get(chunk.sequence);
    if (known && chunk.attempt < known.attempt) return null;
    if (known && chunk.attempt === known.attempt && known.payload.length === chunk.frameBytes && chunk.offset > 0) return known;
    if (chunk.offset !== 0 || !chunk.meta || (known && chunk.attempt === known.attempt)) {
      this.#refuse(chunk, FRAME_ERROR.conflict, `chunk at ${chunk.offset} does not go on where the last one ended`, handled);
      return null;
    }
    if (chunk.frameBytes > LIMITS.maxFrameBytes) {
      this.#refuse(chunk, FRAME_ERROR.tooLarge, `${chunk.frameBytes} bytes, at most ${LIMITS.maxFrameBytes} are taken`, handled);
      return null;
    }
    this.#makeRoom(chunk.sequence);
    const partial = { attempt: chunk.attempt, meta: chunk.meta, payload: new Uint8Array(chunk.frameBytes), filled: 0 };
    this.partials.set(chunk.sequence, partial);
    return partial;
  }

  /**
   * Forgets what there is of an attempt and says so, once: its later chunks find nothing to go on from.
   * @param {Extract<import('./protocol.js').Message, {kind: 'chunk'}>} chunk
   * @param {number} code
   * @param {string} why
   * @param {Handled} handled
   */
  #refuse(chunk, code, why, handled) {
    this.partials.delete(chunk.sequence);
    const name = `${chunk.sequence}/${chunk.attempt}`;
    if (this.lastRefused === name) return;
    this.lastRefused = name;
    this.stats.refused += 1;
    handled.replies.push(frameError(this.epoch ?? 0, chunk.sequence, chunk.attempt, code, why));
  }

  /**
   * Full: the oldest reassembly is given up, for newer frames are worth more to a viewer.
   * @param {number} sequence the one that is about to begin
   */
  #makeRoom(sequence) {
    if (this.partials.has(sequence) || this.partials.size < LIMITS.maxPartials) return;
    this.partials.delete(Math.min(...this.partials.keys()));
    this.stats.abandoned += 1;
  }

  /**
   * @param {ReceivedFrame} frame
   * @param {number} attempt
   * @param {number} nowMs
   * @param {ReceivedFrame[]} out
   */
  #complete(frame, attempt, nowMs, out) {
    this.stats.frames += 1;
    this.stats.frameBytes += frame.payload.length;
    this.held.set(frame.sequence, { frame, attempt });
    const waitedMs = nowMs - (this.heldSinceMs ?? nowMs);
    if (this.held.size > LIMITS.maxHeld || waitedMs > LIMITS.maxHeldMs) {
      const earliest = Math.min(...this.held.keys());
      this.stats.skipped += earliest - this.nextSequence;
      this.nextSequence = earliest;
      for (const sequence of this.partials.keys()) if (sequence < earliest) this.partials.delete(sequence);
    }
    for (let next = this.held.get(this.nextSequence); next; next = this.held.get(this.nextSequence)) {
      this.held.delete(this.nextSequence);
      this.nextSequence += 1;
      out.push(next.frame);
    }
    this.heldSinceMs = this.held.size === 0 ? null : out.length > 0 ? nowMs : this.heldSinceMs ?? nowMs;
  }

  /**
   * Says that one frame is here, what is here beyond the next, and the credit left.
   * @param {number} sequence
   * @param {number} attempt
   */
  #ack(sequence, attempt) {
    /** @type {[number, number][]} */
    const received = [...this.held].map(([held, entry]) => [held, entry.attempt]);
    if (!this.held.has(sequence)) received.unshift([sequence, attempt]);
    return ack(this.epoch ?? 0, this.nextSequence, received.slice(0, LIMITS.maxAckPairs), WINDOW);
  }
}
