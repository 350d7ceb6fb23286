// @ts-check
/**
 * The lanes of one link: opens them, opens them again when they break, and knows why one does not carry.
 *
 * Fed by: watch.js (which stream, which ways) and link.js (time). Feeds: link.js, with what each lane brings.
 *
 * QUIC and the data channel are opened together; the WebSocket where neither is heard for a while. Which of those that are
 * open carries is the server's choice (docs/wire.md).
 *
 * ```text
 *  off ─▶ connecting ─▶ open ─▶ waiting (lost, blocked, refused) ─▶ connecting …
 *              └──────▶ unavailable (insecure, unsupported, unserved)
 * ```
 */
import { retryDelayMs } from './backoff.js';
import { KINDS } from './choice.js';
import { ServerClock } from './clock.js';
import { openDataLane } from './datalane.js';
import { LaneError, laneError } from './laneerror.js';
import { openQuicLane } from './quiclane.js';
import { openSocketLane } from './socketlane.js';

/** Between two looks, ms; link.js calls `tick` so often. */
export const TICK_MS = 500;

/** A lane that brings nothing for so many ticks, though asked, is closed and opened again. SCTP may wait seconds before it repeats what was lost. */
const SILENT_TICKS = Object.freeze({ quic: 6, data: 16, websocket: 10 });

/** No lane heard for so many ticks: the WebSocket is tried. */
const SOCKET_AFTER_TICKS = 3;

/** The WebSocket is closed once frames have come another way for so many ticks. */
const SOCKET_IDLE_TICKS = 20;

/**
 * @typedef {import('./choice.js').Kind} Kind
 *
 * @typedef {object} Way what it takes to open a lane
 * @property {string} streamId
 * @property {string} whepUrl
 * @property {string} link what this link is called, a random number of 64 bits
 * @property {AbortSignal} signal
 * @property {(viewer: string | null) => void} onViewer what the server calls this viewer
 * @property {(epoch: number) => Uint8Array} greetingOf says hello in the link's epoch, where the server has told it
 *
 * @typedef {object} LaneHandlers
 * @property {(bytes: Uint8Array) => void} onMessage
 * @property {(frame: import('./framestream.js').WholeFrame) => void} onFrame
 * @property {(text: string) => void} onClosed
 *
 * @typedef {object} Lane an open one
 * @property {(message: Uint8Array<ArrayBuffer>) => void} send the message is gone after that
 * @property {() => number} backlog bytes that wait to be sent
 * @property {(reason: string) => void} close
 *
 * @typedef {object} Slot
 * @property {Kind} kind
 * @property {'off' | 'connecting' | 'open' | 'waiting' | 'unavailable'} state
 * @property {LaneError | null} problem the last
 * @property {Lane | null} lane
 * @property {AbortController | null} attempt
 * @property {number} failures in a row
 * @property {number} timer
 * @property {number} silentTicks
 * @property {number} frames that it brought
 * @property {ServerClock} clock
 *
 * @typedef {object} LaneSetHandlers
 * @property {(epoch: number) => Uint8Array} greetingOf
 * @property {(slot: Slot) => void} onOpen
 * @property {(slot: Slot, bytes: Uint8Array) => void} onMessage
 * @property {(slot: Slot, frame: import('./framestream.js').WholeFrame) => void} onFrame
 * @property {(problem: LaneError) => void} onLost no lane is left
 */

/** @type {Record<Kind, (way: Way, handlers: LaneHandlers) => Promise<Lane>>} */
const OPENERS = { quic: openQuicLane, data: openDataLane, websocket: openSocketLane };

export class LaneSet {
  /**
   * @param {{streamId: string, whepUrl: string}} stream
   * @param {import('./choice.js').Choice} choice
   * @param {LaneSetHandlers} handlers
   */
  constructor(stream, choice, handlers) {
    this.choice = choice;
    this.handlers = handlers;
    this.way = { ...stream, greetingOf: handlers.greetingOf, link: String(crypto.getRandomValues(new BigUint64Array(1))[0]) };
    /** @type {Slot[]} */
    this.slots = KINDS.map((kind) => ({ kind, state: 'off', problem: null, lane: null, attempt: null, failures: 0, timer: 0, silentTicks: 0, frames: 0, clock: new ServerClock() }));
    this.over = false;
    /** What the server calls this viewer. @type {string | null} */
    this.viewer = null;
    /** Which kind brought the last frame. @type {Kind | null} */
    this.carrier = null;
    this.unheardTicks = 0;
    this.idleTicks = 0;
  }

  start() {
    for (const slot of this.slots) {
      const first = this.choice === 'auto' ? slot.kind !== 'websocket' : slot.kind === this.choice;
      if (first) void this.#open(slot);
    }
  }

  /** @param {string} reason */
  close(reason) {
    this.over = true;
    for (const slot of this.slots) this.#drop(slot, reason);
  }

  get open() {
    return this.slots.filter((slot) => slot.lane);
  }

  /** @param {Kind} kind */
  slot(kind) {
    return /** @type {Slot} */ (this.slots.find((slot) => slot.kind === kind));
  }

  /** Counted in ticks, not in time: after the machine has slept, the first tick comes before the messages that wait. */
  tick() {
    this.unheardTicks += 1;
    for (const slot of this.open) {
      slot.silentTicks += 1;
      if (slot.silentTicks > SILENT_TICKS[slot.kind]) this.#closed(slot, `Nothing came this way for ${SILENT_TICKS[slot.kind] * TICK_MS / 1000} seconds.`);
    }
    if (this.over || this.choice !== 'auto') return;
    const socket = this.slot('websocket');
    if (this.unheardTicks > SOCKET_AFTER_TICKS && socket.state === 'off') void this.#open(socket);
    this.idleTicks = socket.lane && this.carrier && this.carrier !== 'websocket' && this.unheardTicks < 2 ? this.idleTicks + 1 : 0;
    if (this.idleTicks > SOCKET_IDLE_TICKS) this.#drop(socket, 'another way carries');
  }

  /** @param {Slot} slot */
  #heard(slot) {
    slot.silentTicks = 0;
    this.unheardTicks = 0;
  }

  /** @param {Slot} slot */
  async #open(slot) {
    clearTimeout(slot.timer);
    const attempt = new AbortController();
    Object.assign(slot, { attempt, state: 'connecting', clock: new ServerClock() });
    const isCurrent = () => slot.attempt === attempt && !this.over;
    try {
      const lane = await OPENERS[slot.kind]({ ...this.way, signal: attempt.signal, onViewer: (viewer) => { this.viewer = viewer ?? this.viewer; } }, {
        onMessage: (bytes) => {
          if (!isCurrent()) return;
          this.#heard(slot);
          this.handlers.onMessage(slot, bytes);
        },
        onFrame: (frame) => {
          if (!isCurrent()) return;
          this.#heard(slot);
          this.handlers.onFrame(slot, frame);
        },
        onClosed: (text) => isCurrent() && this.#closed(slot, text),
      });
      if (!isCurrent()) {
        lane.close('not wanted any more');
        return;
      }
      Object.assign(slot, { lane, state: 'open', silentTicks: 0 });
      this.handlers.onOpen(slot);
    } catch (error) {
      if (isCurrent()) this.#failed(slot, laneError(error));
    }
  }

  /**
   * @param {Slot} slot
   * @param {string} text
   */
  #closed(slot, text) {
    this.#drop(slot, text);
    this.#failed(slot, new LaneError('lost', text));
  }

  /**
   * @param {Slot} slot
   * @param {LaneError | DOMException} problem
   */
  #failed(slot, problem) {
    if (!(problem instanceof LaneError)) return;
    this.#drop(slot, problem.message);
    const wasOpen = problem.why === 'lost';
    Object.assign(slot, { problem, state: problem.isFinal ? 'unavailable' : 'waiting', failures: wasOpen ? 0 : slot.failures + 1 });
    const hope = this.slots.some((other) => ['connecting', 'open'].includes(other.state));
    const socket = this.slot('websocket');
    if (!hope && this.choice === 'auto' && socket.state === 'off' && problem.why !== 'missing' && problem.why !== 'locked') {
      void this.#open(socket);
    } else if (!hope) {
      this.handlers.onLost(this.#worst(problem));
      return;
    }
    if (!problem.isFinal) slot.timer = window.setTimeout(() => void this.#open(slot), retryDelayMs(slot.failures));
  }

  /** What to say when nothing works: what is wrong with the way that most browsers have. @param {LaneError} last */
  #worst(last) {
    const problems = [this.slot('data').problem, this.slot('quic').problem].filter((problem) => problem && !problem.isFinal);
    return last.why === 'lost' ? last : problems[0] ?? last;
  }

  /**
   * @param {Slot} slot
   * @param {string} reason
   */
  #drop(slot, reason) {
    clearTimeout(slot.timer);
    const { lane, attempt } = slot;
    Object.assign(slot, { lane: null, attempt: null, state: 'off' });
    attempt?.abort();
    lane?.close(reason);
  }

  /** How each way stands, as data. */
  report() {
    return this.slots.map(({ kind, state, problem, frames, clock, silentTicks }) => ({
      kind, state, frames, carries: kind === this.carrier && state === 'open' && silentTicks < 4,
      why: state === 'open' || !problem ? null : problem.why, text: state === 'open' || !problem ? null : problem.message,
      rtt_ms: clock.srttUs === null ? null : Number((clock.srttUs / 1000).toFixed(2)),
    }));
  }
}
