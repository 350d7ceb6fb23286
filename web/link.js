// @ts-check
/**
 * What happens on a link: messages of its lanes to the receiver, its answers back, pings, figures,
 * and the watch over a link that has gone silent.
 *
 * Fed by: lanes.js, with what each lane brings.
 * Feeds: player.js with frames, watch.js with the end of the link and why.
 */
import { request } from './api.js';
import { pageClockUs, ServerClock } from './clock.js';
import { LaneError } from './laneerror.js';
import { LaneSet, TICK_MS } from './lanes.js';
import { clientStats, GOODBYE, goodbye, ping, pong } from './protocol.js';
import { FrameReceiver } from './receiver.js';

/** Extra pings right after the greeting, ms, so that the first frames already have an age. */
const EARLY_PINGS_MS = [0, 60, 200, 500];

/** Ticks without any message, though asked, until the link counts as lost. */
const SILENT_TICKS = 6;

/** Each so many ticks the server is told this page's figures. */
const STATS_TICKS = 2;

/** The server greets first and so gives the epoch; if it has not after this, this side does, ms. */
const GREETING_DELAY_MS = 500;

/** Beyond this much unsent, figures are left out, bytes: acks go first. */
const STATS_BACKLOG_BYTES = 65_536;

/** What is shown of a link's clock before any lane has compared it. */
const UNKNOWN_CLOCK = new ServerClock();

/**
 * @typedef {import('./lanes.js').Slot} Slot
 *
 * @typedef {object} LinkHandlers
 * @property {() => void} onOpen the first lane is open
 * @property {(frame: import('./receiver.js').ReceivedFrame) => void} onFrame
 * @property {(text: string, code: number) => void} onGoodbye the server ends the link
 * @property {(problem: LaneError) => void} onLost closed or silent
 * @property {() => Record<string, number>} figures what to tell the server about this viewer
 */

export class FrameLink {
  /**
   * @param {{streamId: string, whepUrl: string}} stream
   * @param {import('./choice.js').Choice} choice
   * @param {LinkHandlers} handlers
   */
  constructor(stream, choice, handlers) {
    this.handlers = handlers;
    this.resource = stream.whepUrl;
    this.receiver = new FrameReceiver();
    this.ticks = 0;
    this.silentTicks = 0;
    this.over = false;
    this.wasOpen = false;
    /** Whether the sender has said that no frame will follow. */
    this.finished = false;
    /** @type {string | null} the last message that could not be read */
    this.lastFault = null;
    this.lanes = new LaneSet(stream, choice, {
      greetingOf: (epoch) => this.#greetingOf(epoch),
      onOpen: (slot) => this.#opened(slot),
      onMessage: (slot, bytes) => this.#take(slot, () => this.receiver.handleMessage(bytes, performance.now())),
      onFrame: (slot, frame) => this.#take(slot, () => this.receiver.handleFrame(frame, performance.now())),
      onLost: (problem) => this.#lost(problem),
    });
    this.timers = [setInterval(() => this.#tick(), TICK_MS)];
    this.lanes.start();
  }

  /** The server's clock as the lane knows it that carries. */
  get clock() {
    const { carrier, open } = this.lanes;
    const compared = open.filter(({ clock }) => clock.offsetUs !== null);
    return (compared.find(({ kind }) => kind === carrier) ?? compared[0])?.clock ?? UNKNOWN_CLOCK;
  }

  /** This viewer's number at the server. @returns {string | null} */
  get viewer() {
    return this.lanes.viewer;
  }

  /** Ends it from this side. @param {string} reason told to the server */
  close(reason) {
    if (this.over) return;
    for (const slot of this.lanes.open) slot.lane?.send(goodbye(this.receiver.epoch ?? 0, GOODBYE.done, reason));
    this.#end(reason);
  }

  /** @param {string} reason */
  #end(reason) {
    this.over = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.lanes.close(reason);
    if (this.viewer) request(`${this.resource}/${this.viewer}`, { method: 'DELETE', keepalive: true }).catch(() => { /* it is gone either way */ });
  }

  /** @param {LaneError} problem */
  #lost(problem) {
    if (this.over) return;
    this.#end(problem.message);
    this.handlers.onLost(problem);
  }

  /**
   * Signalling has told the epoch: lanes that are open need not wait for the server's hello either.
   * @param {number} epoch
   */
  #greetingOf(epoch) {
    const isNews = this.receiver.epoch === null;
    const greeting = this.receiver.greetingOf(epoch);
    if (isNews) for (const slot of this.lanes.open) slot.lane?.send(this.receiver.greeting());
    if (isNews && this.wasOpen) this.#pingEarly();
    return greeting;
  }

  /** @param {Slot} slot */
  #opened(slot) {
    const first = !this.wasOpen;
    this.wasOpen = true;
    if (this.receiver.epoch !== null) {
      slot.lane?.send(this.receiver.greeting());
      if (first) this.#pingEarly();
      else this.#ping(slot);
    } else {
      this.timers.push(setTimeout(() => this.receiver.epoch === null && slot.lane?.send(this.receiver.greeting()), GREETING_DELAY_MS));
    }
    if (first) this.handlers.onOpen();
  }

  /**
   * @param {Slot} slot
   * @param {() => import('./receiver.js').Handled} handle
   */
  #take(slot, handle) {
    if (this.over) return;
    this.silentTicks = 0;
    const greeted = this.receiver.epoch !== null;
    let handled;
    try {
      handled = handle();
    } catch (error) {
      this.lastFault = error instanceof Error ? error.message : String(error);
      return;
    }
    for (const reply of handled.replies) slot.lane?.send(reply);
    if (!greeted) this.#pingEarly();
    if (!handled.accepted) {
      if (handled.message?.kind === 'hello') this.#lost(new LaneError('lost', 'The server was started anew.'));
      return;
    }
    if (handled.frames.length > 0) this.lanes.carrier = slot.kind;
    slot.frames += handled.frames.length;
    for (const frame of handled.frames) this.handlers.onFrame(frame);
    if (handled.message) this.#answer(slot, handled.message);
  }

  /**
   * @param {Slot} slot
   * @param {import('./protocol.js').Message} message
   */
  #answer(slot, message) {
    if (message.kind === 'pong') slot.clock.addPong(message.t0Us, message.t1Us, pageClockUs());
    else if (message.kind === 'ping') slot.lane?.send(pong(message.epoch, message.t0Us, pageClockUs()));
    else if (message.kind === 'eof') this.finished = true;
    else if (message.kind === 'goodbye') {
      this.#end('the server said goodbye');
      this.handlers.onGoodbye(message.text, message.code);
    }
  }

  #pingEarly() {
    const pingAll = () => this.lanes.open.forEach((slot) => this.#ping(slot));
    for (const delay of EARLY_PINGS_MS) this.timers.push(setTimeout(pingAll, delay));
  }

  /** @param {Slot} slot */
  #ping(slot) {
    if (this.receiver.epoch !== null) slot.lane?.send(ping(this.receiver.epoch, pageClockUs()));
  }

  #tick() {
    this.lanes.tick();
    if (this.over) return;
    this.ticks += 1;
    this.silentTicks = this.wasOpen ? this.silentTicks + 1 : 0;
    if (this.silentTicks > SILENT_TICKS) {
      this.#lost(new LaneError('lost', `Nothing has arrived for ${SILENT_TICKS * TICK_MS / 1000} seconds.`));
      return;
    }
    const { open } = this.lanes;
    for (const slot of open) this.#ping(slot);
    const carrier = open.find(({ kind }) => kind === this.lanes.carrier) ?? open[0];
    if (!carrier?.lane || this.receiver.epoch === null || this.ticks % STATS_TICKS !== 0) return;
    if (carrier.lane.backlog() < STATS_BACKLOG_BYTES) carrier.lane.send(clientStats(this.receiver.epoch, this.handlers.figures()));
  }
}
