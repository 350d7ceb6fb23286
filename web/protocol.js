// @ts-check
/**
 * The messages of docs/wire.md, version 1: what the array elements mean.
 *
 * Fed by: wire.js, with bytes turned into values.
 * Feeds: receiver.js and link.js, with messages whose every element has been checked.
 */
import { decode, encode, WireError } from './wire.js';

export const VERSION = 1;

/** Kinds of message, element 1. */
export const KIND = Object.freeze({
  hello: 0, chunk: 1, ack: 2, eof: 3, frameError: 4, ping: 5, pong: 6, goodbye: 7, clientStats: 8, eofAck: 9,
});

/** Names of the encodings, by their number on the wire. */
export const ENCODINGS = Object.freeze(['jpeg', 'i420', 'bgr', 'h264', 'opaque']);

/** Why an attempt of a frame is refused. Conflict asks for it again, too large does not. */
export const FRAME_ERROR = Object.freeze({ conflict: 1, tooLarge: 4 });

/** Why the server ends a link. */
export const GOODBYE = Object.freeze({ done: 0, streamDeleted: 1, shuttingDown: 2, protocolError: 3, failed: 4 });

/** Role of this page in a hello: the side that receives frames. */
const ROLE_RECEIVER = 1;

/** Longest text in a goodbye or a frame error, in bytes of UTF-8. */
const MAX_TEXT_BYTES = 256;

/**
 * @typedef {object} FrameMeta
 * @property {number} sourceId index of the frame at its source, rising, with gaps where frames were dropped
 * @property {number} ptsUs presentation time since the source's start, µs
 * @property {number} durationUs
 * @property {number} width luma samples
 * @property {number} height luma samples
 * @property {string} encoding one of ENCODINGS, or `unknown (n)`
 * @property {number} quality 1–100 for JPEG, else 0
 * @property {boolean} keyframe
 * @property {boolean} givenUp the server could not get this frame across; its payload is empty
 * @property {number} releasedUs server clock when the frame left the server's buffer, µs
 */

/**
 * @typedef {{kind: 'hello', epoch: number, role: number, maxMessageBytes: number}
 *   | {kind: 'chunk', epoch: number, sequence: number, attempt: number, frameBytes: number, offset: number, meta: FrameMeta | null, payload: Uint8Array}
 *   | {kind: 'eof', epoch: number, frames: number, bytes: number, hash: number | bigint}
 *   | {kind: 'ping', epoch: number, t0Us: number}
 *   | {kind: 'pong', epoch: number, t0Us: number, t1Us: number}
 *   | {kind: 'goodbye', epoch: number, code: number, text: string}
 *   | {kind: 'unknown', epoch: number, number: number}} Message
 */

/**
 * @param {Uint8Array} bytes one whole message
 * @returns {Message}
 * @throws {WireError} when it is not a message of this version
 */
export function parseMessage(bytes) {
  const items = decode(bytes);
  if (!Array.isArray(items)) throw new WireError('the message is not an array');
  const version = uint(items, 0, 'version');
  if (version !== VERSION) throw new WireError(`the server speaks wire version ${version}, this page ${VERSION}`);
  const number = uint(items, 1, 'kind');
  const epoch = uint(items, 2, 'epoch');
  switch (number) {
    case KIND.hello:
      return { kind: 'hello', epoch, role: uint(items, 3, 'role'), maxMessageBytes: uint(items, 4, 'max_message_bytes') };
    case KIND.chunk:
      return parseChunk(items, epoch);
    case KIND.eof:
      return { kind: 'eof', epoch, frames: uint(items, 3, 'frames'), bytes: uint(items, 4, 'bytes'), hash: uint64(items, 5, 'hash') };
    case KIND.ping:
      return { kind: 'ping', epoch, t0Us: uint(items, 3, 't0_us') };
    case KIND.pong:
      return { kind: 'pong', epoch, t0Us: uint(items, 3, 't0_us'), t1Us: uint(items, 4, 't1_us') };
    case KIND.goodbye:
      return { kind: 'goodbye', epoch, code: uint(items, 3, 'code'), text: text(items, 4, 'text') };
    default:
      return { kind: 'unknown', epoch, number };
  }
}

/**
 * @param {import('./wire.js').WireArray} items
 * @param {number} epoch
 * @returns {Message}
 */
function parseChunk(items, epoch) {
  const payload = items[8];
  if (!(payload instanceof Uint8Array)) throw new WireError('chunk: payload is not binary');
  return {
    kind: 'chunk',
    epoch,
    sequence: uint(items, 3, 'sequence'),
    attempt: uint(items, 4, 'attempt'),
    frameBytes: uint(items, 5, 'frame_bytes'),
    offset: uint(items, 6, 'offset'),
    meta: items[7] === null ? null : parseMeta(items[7]),
    payload,
  };
}

/**
 * @param {import('./wire.js').WireValue} value
 * @returns {FrameMeta}
 */
function parseMeta(value) {
  if (!Array.isArray(value)) throw new WireError('chunk: meta is neither an array nor nil');
  const encoding = uint(value, 5, 'encoding');
  const flags = uint(value, 7, 'flags');
  return {
    sourceId: uint(value, 0, 'source_id'),
    ptsUs: int(value, 1, 'pts_us'),
    durationUs: uint(value, 2, 'duration_us'),
    width: uint(value, 3, 'width'),
    height: uint(value, 4, 'height'),
    encoding: ENCODINGS[encoding] ?? `unknown (${encoding})`,
    quality: uint(value, 6, 'quality'),
    keyframe: (flags & 1) !== 0,
    givenUp: (flags & 2) !== 0,
    releasedUs: uint(value, 8, 'released_us'),
  };
}

/**
 * @param {import('./wire.js').WireArray} items
 * @param {number} index
 * @param {string} name
 */
function int(items, index, name) {
  const value = items[index];
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new WireError(`${name} (element ${index}) is not a whole number this page can hold`);
  }
  return value;
}

/**
 * @param {import('./wire.js').WireArray} items
 * @param {number} index
 * @param {string} name
 */
function uint(items, index, name) {
  const value = int(items, index, name);
  if (value < 0) throw new WireError(`${name} (element ${index}) is negative`);
  return value;
}

/**
 * A 64 bit value that is only compared, never counted with.
 * @param {import('./wire.js').WireArray} items
 * @param {number} index
 * @param {string} name
 */
function uint64(items, index, name) {
  const value = items[index];
  return typeof value === 'bigint' ? value : uint(items, index, name);
}

/**
 * @param {import('./wire.js').WireArray} items
 * @param {number} index
 * @param {string} name
 */
function text(items, index, name) {
  const value = items[index];
  if (typeof value !== 'string') throw new WireError(`${name} (element ${index}) is not text`);
  return value;
}

/** At most MAX_TEXT_BYTES in UTF-8, whatever the characters. @param {string} reason */
const short = (reason) => reason.slice(0, MAX_TEXT_BYTES / 3);

/**
 * @typedef {{frames: number, bytes: number}} Window how much more the sender may have unacknowledged
 */

/**
 * @param {number} epoch
 * @param {number} maxMessageBytes largest message this side takes
 * @param {Window} window
 * @param {number} nextSequence first frame not delivered yet
 */
export function hello(epoch, maxMessageBytes, window, nextSequence) {
  return encode([VERSION, KIND.hello, epoch, ROLE_RECEIVER, maxMessageBytes, window.frames, window.bytes, nextSequence]);
}

/**
 * @param {number} epoch
 * @param {number} nextSequence first frame not delivered yet
 * @param {[number, number][]} received `[sequence, attempt]` of frames that are here
 * @param {Window} window
 */
export function ack(epoch, nextSequence, received, window) {
  return encode([VERSION, KIND.ack, epoch, nextSequence, received, window.frames, window.bytes]);
}

/**
 * @param {number} epoch
 * @param {number} sequence
 * @param {number} attempt
 * @param {number} code one of FRAME_ERROR
 * @param {string} reason cut to what the wire allows
 */
export function frameError(epoch, sequence, attempt, code, reason) {
  return encode([VERSION, KIND.frameError, epoch, sequence, attempt, code, short(reason)]);
}

/**
 * @param {number} epoch
 * @param {number} frames delivered by this side
 * @param {number | bigint} hash 0 in realtime mode
 */
export function eofAck(epoch, frames, hash) {
  return encode([VERSION, KIND.eofAck, epoch, frames, hash]);
}

/**
 * @param {number} epoch
 * @param {number} t0Us this page's clock
 */
export function ping(epoch, t0Us) {
  return encode([VERSION, KIND.ping, epoch, t0Us]);
}

/**
 * @param {number} epoch
 * @param {number} t0Us as it stood in the ping
 * @param {number} t1Us this page's clock
 */
export function pong(epoch, t0Us, t1Us) {
  return encode([VERSION, KIND.pong, epoch, t0Us, t1Us]);
}

/**
 * @param {number} epoch
 * @param {number} code
 * @param {string} reason cut to what the wire allows
 */
export function goodbye(epoch, code, reason) {
  return encode([VERSION, KIND.goodbye, epoch, code, short(reason)]);
}

/**
 * @param {number} epoch
 * @param {Record<string, number>} figures at most 32, keys at most 32 bytes
 */
export function clientStats(epoch, figures) {
  return encode([VERSION, KIND.clientStats, epoch, figures]);
}
