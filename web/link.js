// @ts-check
/**
 * What happens on an open data channel: messages to the receiver, its answers back, pings, figures,
 * and the watch over a channel that has gone silent.
 *
 * Fed by: whep.js (the channel) and the browser's message events.
 * Feeds: player.js with frames, watch.js with the end of the link and why.
 */
import { pageClockUs, ServerClock } from './clock.js';
import { clientStats, GOODBYE, goodbye, ping, pong } from './protocol.js';
import { FrameReceiver } from './receiver.js';

/** Between pings, and between two looks at whether anything arrived, ms. */
const TICK_MS = 1000;

/** Extra pings right after the greeting, ms, so that the first frames already have an age. */
const EARLY_PINGS_MS = [0, 60, 200, 500];

/** Ticks without any message, each of which brought a ping, until the link counts as lost. */
const SILENT_TICKS = 3;

/** The server greets first and so gives the epoch; if it has not after this, this side does, ms. */
const GREETING_DELAY_MS = 500;

/** Beyond this much unsent, figures are left out, bytes: acks go first. */
const STATS_BACKLOG_BYTES = 65_536;

/**
 * @typedef {object} LinkHandlers
 * @property {(frame: import('./receiver.js').ReceivedFrame) => void} onFrame
 * @property {(text: string, code: number) => void} onGoodbye the server ends the link
 * @property {(reason: string) => void} onLost closed or silent
 * @property {() => Record<string, number>} figures what to tell the server about this viewer
 */

export class FrameLink {
  /**
   * @param {RTCDataChannel} channel open
   * @param {LinkHandlers} handlers
   */
  constructor(channel, handlers) {
    this.channel = channel;
    this.handlers = handlers;
    this.receiver = new FrameReceiver();
    this.clock = new ServerClock();
    this.silentTicks = 0;
    this.over = false;
    /** Whether the sender has said that no frame will follow. */
    this.finished = false;
    /** @type {string | null} the last message that could not be read */
    this.lastFault = null;
    this.listening = new AbortController();
    const options = { signal: this.listening.signal };
    channel.addEventListener('message', (event) => this.#message(event.data), options);
    channel.addEventListener('close', () => this.#lost('The connection was closed.'), options);
    this.timers = [
      setInterval(() => this.#tick(), TICK_MS),
      setTimeout(() => this.receiver.epoch === null && this.#send(this.receiver.greeting()), GREETING_DELAY_MS),
    ];
  }

  /** Ends it from this side. @param {string} reason told to the server */
  close(reason) {
    if (this.over) return;
    this.#send(goodbye(this.receiver.epoch ?? 0, GOODBYE.done, reason));
    this.#end();
  }

  #end() {
    this.over = true;
    this.listening.abort();
    for (const timer of this.timers) clearTimeout(timer);
  }

  /** @param {string} reason */
  #lost(reason) {
    if (this.over) return;
    this.#end();
    this.handlers.onLost(reason);
  }

  /** @param {unknown} data */
  #message(data) {
    if (this.over || !(data instanceof ArrayBuffer)) return;
    this.silentTicks = 0;
    const greeted = this.receiver.epoch !== null;
    let handled;
    try {
      handled = this.receiver.handleMessage(new Uint8Array(data));
    } catch (error) {
      this.lastFault = error instanceof Error ? error.message : String(error);
      return;
    }
    for (const reply of handled.replies) this.#send(reply);
    if (!greeted) this.#pingEarly();
    if (!handled.accepted) return;
    for (const frame of handled.frames) this.handlers.onFrame(frame);
    this.#answer(handled.message);
  }

  /** @param {import('./protocol.js').Message} message */
  #answer(message) {
    if (message.kind === 'pong') this.clock.addPong(message.t0Us, message.t1Us, pageClockUs());
    else if (message.kind === 'ping') this.#send(pong(message.epoch, message.t0Us, pageClockUs()));
    else if (message.kind === 'eof') this.finished = true;
    else if (message.kind === 'goodbye') {
      this.#end();
      this.handlers.onGoodbye(message.text, message.code);
    }
  }

  #pingEarly() {
    for (const delay of EARLY_PINGS_MS) this.timers.push(setTimeout(() => this.#ping(), delay));
  }

  #ping() {
    if (this.receiver.epoch !== null) this.#send(ping(this.receiver.epoch, pageClockUs()));
  }

  /**
   * Counted in ticks, not in time: after the machine has slept, the first tick comes before the
   * messages that wait.
   */
  #tick() {
    this.silentTicks += 1;
    if (this.silentTicks > SILENT_TICKS) {
      this.#lost(`Nothing has arrived for ${SILENT_TICKS} seconds.`);
      return;
    }
    this.#ping();
    if (this.receiver.epoch !== null && this.channel.bufferedAmount < STATS_BACKLOG_BYTES) {
      this.#send(clientStats(this.receiver.epoch, this.handlers.figures()));
    }
  }

  /** @param {Uint8Array<ArrayBuffer>} message */
  #send(message) {
    if (this.channel.readyState !== 'open') return;
    try {
      this.channel.send(message);
    } catch {
      // The channel closed between the check and the call, or its buffer is full: its close event, or silence, tells.
    }
  }
}
