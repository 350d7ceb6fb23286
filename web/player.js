// @ts-check
/**
 * Frames onto the canvas: decoded at most two at a time, drawn in order as soon as decoded.
 *
 * Fed by: link.js, with whole frames. Feeds: the canvas, and whoever listens for drawn frames.
 *
 * Frames do not queue up. Two are being decoded; what arrives meanwhile waits only as long as that
 * is a burst, which the page catches up with at once (it decodes several times faster than a
 * stream plays). When the wait lasts longer than CATCH_UP_MS (or, as it starts, START_CATCH_UP_MS) the page is too slow for the stream:
 * then only the newest frame waits, and the older ones are dropped and counted.
 *
 * Drawing does not wait for an animation frame: at 60 Hz that would skip one now and then.
 */
import { Rate, Spread } from './meter.js';

/** Decodes in flight. Two keep the decoder busy; more only add age. */
const MAX_DECODING = 2;

/** Frames that may wait while the page catches up with a burst: what the server keeps for a page that is busy, and what is under way. */
const MAX_WAITING = 24;

/** How long frames may keep waiting before the page counts as too slow, ms. */
const CATCH_UP_MS = 1000;

/** A page that is that slow drops what has waited for longer than this, ms; one that keeps up a few frames late loses none. */
const STALE_MS = 400;

/** The same as CATCH_UP_MS for frames that arrive within STARTING_MS of the first: a page that starts has more to do than to play. */
const START_CATCH_UP_MS = 2500;
const STARTING_MS = 3000;

/**
 * @typedef {object} DrawnFrame what is told about each frame on the canvas
 * @property {number} source_id the frame's index at its source
 * @property {number} pts_us presentation time, µs
 * @property {number | null} age_ms since it left the server's buffer; null until the clocks are compared
 * @property {number} drawn frames drawn so far, with this one
 * @property {number} width
 * @property {number} height
 * @property {string} encoding
 * @property {number} quality
 * @property {number} bytes
 *
 * @typedef {{frame: import('./receiver.js').ReceivedFrame, arrivedMs: number}} Waiting
 * @typedef {{frame: import('./receiver.js').ReceivedFrame, bitmap: ImageBitmap | null, settled: boolean}} Decoding
 */

export class Player {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{ageMs: (releasedUs: number) => number | null, onDrawn: (frame: DrawnFrame) => void}} hooks
   */
  constructor(canvas, hooks) {
    const context = canvas.getContext('2d', { alpha: false });
    if (!context) throw new Error('this browser gives no 2D canvas');
    this.canvas = canvas;
    this.context = context;
    this.hooks = hooks;
    /** @type {Waiting[]} */
    this.waiting = [];
    /** @type {Decoding[]} in the order they arrived */
    this.decoding = [];
    /** When the first frame came, ms. @type {number | null} */
    this.firstMs = null;
    /** Since when frames have been waiting without a pause, ms. @type {number | null} */
    this.behindSinceMs = null;
    /** Rises with each reset, so that decodes of an earlier link are not drawn. */
    this.generation = 0;
    this.counts = { received: 0, drawn: 0, dropped: 0, undecodable: 0, givenUp: 0 };
    /** @type {string | null} why the last undecodable frame was so */
    this.lastFault = null;
    /** @type {DrawnFrame | null} */
    this.last = null;
    this.received = new Rate();
    this.drawn = new Rate();
    this.receivedBytes = new Rate();
    this.age = new Spread();
    this.decodeMs = new Spread();
  }

  /** Forgets frames under way; what was drawn stays. */
  reset() {
    this.generation += 1;
    this.waiting = [];
    this.decoding = [];
    this.behindSinceMs = null;
    this.firstMs = null;
  }

  /** @param {import('./receiver.js').ReceivedFrame} frame */
  push(frame) {
    const nowMs = performance.now();
    this.firstMs ??= nowMs;
    this.counts.received += 1;
    this.received.add(nowMs);
    this.receivedBytes.add(nowMs, frame.payload.length);
    if (frame.meta.givenUp) {
      this.counts.givenUp += 1;
      return;
    }
    if (frame.meta.encoding !== 'jpeg') {
      this.#undecodable(`frames come as ${frame.meta.encoding}, this page draws JPEG`);
      return;
    }
    this.waiting.push({ frame, arrivedMs: nowMs });
    this.#startDecodes();
    this.#dropStale(nowMs);
  }

  /** @param {number} nowMs */
  #dropStale(nowMs) {
    if (this.waiting.length === 0) {
      this.behindSinceMs = null;
      return;
    }
    this.behindSinceMs ??= nowMs;
    const starting = this.firstMs !== null && nowMs - this.firstMs < STARTING_MS;
    const behind = nowMs - this.behindSinceMs > (starting ? START_CATCH_UP_MS : CATCH_UP_MS);
    const tooSlow = behind && nowMs - this.waiting[0].arrivedMs > STALE_MS;
    const limit = tooSlow ? 1 : MAX_WAITING;
    const excess = this.waiting.length - limit;
    if (excess > 0) {
      this.waiting.splice(0, excess);
      this.counts.dropped += excess;
    }
  }

  #startDecodes() {
    while (this.decoding.length < MAX_DECODING) {
      const next = this.waiting.shift();
      if (!next) break;
      void this.#decode(next.frame);
    }
    if (this.waiting.length === 0) this.behindSinceMs = null;
  }

  /** @param {import('./receiver.js').ReceivedFrame} frame */
  async #decode(frame) {
    const generation = this.generation;
    /** @type {Decoding} */
    const slot = { frame, bitmap: null, settled: false };
    this.decoding.push(slot);
    const beganMs = performance.now();
    try {
      const blob = new Blob([/** @type {BlobPart} */ (frame.payload)], { type: 'image/jpeg' });
      slot.bitmap = await createImageBitmap(blob);
      this.decodeMs.add(performance.now(), performance.now() - beganMs);
    } catch (error) {
      this.#undecodable(`frame ${frame.meta.sourceId} is not a JPEG this browser can read: ${error instanceof Error ? error.message : error}`);
    }
    slot.settled = true;
    if (generation !== this.generation) {
      slot.bitmap?.close();
      return;
    }
    this.#drawSettled();
    this.#startDecodes();
  }

  /** Draws from the front of the line: a decode that finishes early waits for the one before it. */
  #drawSettled() {
    while (this.decoding[0]?.settled) {
      const slot = this.decoding.shift();
      if (slot?.bitmap) this.#draw(slot.frame, slot.bitmap);
    }
  }

  /**
   * @param {import('./receiver.js').ReceivedFrame} frame
   * @param {ImageBitmap} bitmap
   */
  #draw(frame, bitmap) {
    const { canvas, context } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const nowMs = performance.now();
    this.counts.drawn += 1;
    this.drawn.add(nowMs);
    const ageMs = this.hooks.ageMs(frame.meta.releasedUs);
    if (ageMs !== null) this.age.add(nowMs, ageMs);
    this.last = {
      source_id: frame.meta.sourceId, pts_us: frame.meta.ptsUs, age_ms: ageMs, drawn: this.counts.drawn,
      width: canvas.width, height: canvas.height,
      encoding: frame.meta.encoding, quality: frame.meta.quality, bytes: frame.payload.length,
    };
    this.hooks.onDrawn(this.last);
  }

  /** @param {string} why */
  #undecodable(why) {
    this.counts.undecodable += 1;
    this.lastFault = why;
  }
}
