// @ts-check
/**
 * A WebTransport session in a worker of its own: frames are put together beside the page's thread and handed over whole,
 * without a copy.
 *
 * Fed by: quiclane.js, which says where to connect and what to send. Feeds: quiclane.js.
 *
 * ```text
 *  to here    {open: url, hashes: [bytes], greeting: bytes or null}   {send: bytes}   {close: reason}
 *  from here  {opened: true}   {message: bytes}   {frame: WholeFrame}   {closed: text}
 * ```
 */
import { Deframer } from './deframer.js';
import { CHANNEL, FrameStream, FRAMING_VERSION } from './framestream.js';
import { LIMITS } from './receiver.js';

/** The label of the channel that carries frames. */
const LABEL = new TextEncoder().encode('frames');

/** How this page opens its channel: version, number, label, no sub-protocol. */
const OPENING = Uint8Array.of(FRAMING_VERSION, CHANNEL, LABEL.length, ...LABEL, 0);

/** A session ended because the server broke the protocol (docs/wire.md). */
const PROTOCOL_ERROR = 2;

const scope = /** @type {DedicatedWorkerGlobalScope} */ (/** @type {unknown} */ (self));

/** @type {any} */
let transport = null;
/** @type {WritableStreamDefaultWriter<Uint8Array> | null} */
let control = null;

scope.onmessage = ({ data }) => {
  if (data.open) void open(data.open, data.hashes, data.greeting ?? null);
  else if (data.send) say(data.send);
  else if (data.close !== undefined) close(0, data.close);
};

/**
 * @param {string} url
 * @param {Uint8Array[]} hashes
 * @param {Uint8Array | null} greeting goes in one packet with the channel's opening, so that frames need not wait for it
 */
async function open(url, hashes, greeting) {
  try {
    const trusted = hashes.map((value) => ({ algorithm: 'sha-256', value }));
    transport = new (/** @type {any} */ (self)).WebTransport(url, trusted.length > 0 ? { serverCertificateHashes: trusted } : {});
    transport.closed.then((/** @type {any} */ info) => over(info.reason || 'The server ended the session.'), (/** @type {unknown} */ error) => over(words(error)));
    await transport.ready;
    const { readable, writable } = await transport.createBidirectionalStream();
    control = writable.getWriter();
    write(greeting ? joined(OPENING, framed(greeting)) : OPENING);
    scope.postMessage({ opened: true });
    void readControl(readable);
    await readFrames(transport.incomingUnidirectionalStreams);
  } catch (error) {
    over(words(error));
  }
}

/** @param {Uint8Array} message */
const say = (message) => write(framed(message));

/** @param {Uint8Array} bytes */
function write(bytes) {
  control?.write(bytes).catch(() => { /* told by the session's end */ });
}

/** @param {Uint8Array} message its length before it */
function framed(message) {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, message.length);
  return joined(length, message);
}

/**
 * @param {Uint8Array} first
 * @param {Uint8Array} second
 */
function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/**
 * @param {number} closeCode
 * @param {string} reason
 */
function close(closeCode, reason) {
  try {
    transport?.close({ closeCode, reason: reason.slice(0, 200) });
  } catch {
    // It has ended by itself.
  }
}

/** @param {string} text */
function over(text) {
  scope.postMessage({ closed: text });
  scope.close();
}

/** @param {unknown} error */
const words = (error) => (error instanceof Error ? error.message : String(error));

/** @param {ReadableStream<Uint8Array>} stream */
async function readControl(stream) {
  const deframer = new Deframer(LIMITS.maxMessageBytes);
  const reader = stream.getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      for (const message of deframer.push(piece.value)) {
        const bytes = message.slice();
        scope.postMessage({ message: bytes }, [bytes.buffer]);
      }
    }
    close(0, 'the server ended the channel');
  } catch (error) {
    close(PROTOCOL_ERROR, words(error));
  }
}

/** @param {ReadableStream<ReadableStream<Uint8Array>>} streams */
async function readFrames(streams) {
  const reader = streams.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) void readFrame(next.value);
}

/** @param {ReadableStream<Uint8Array>} stream */
async function readFrame(stream) {
  const frames = new FrameStream();
  const reader = stream.getReader();
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch {
      // Reset: the frame is stale. What came of it counts for nothing.
      return;
    }
    if (piece.done) return;
    try {
      const frame = frames.push(piece.value);
      if (frame) scope.postMessage({ frame }, [frame.payload.buffer]);
    } catch (error) {
      close(PROTOCOL_ERROR, words(error));
      return;
    }
  }
}
