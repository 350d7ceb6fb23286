// @ts-check
/**
 * Watching one stream: connects, notices when it breaks, and connects again.
 *
 * Fed by: app.js (which stream, pause, resume) and streams.js (what the server says of it).
 * Feeds: player.js with frames, and stage.js with the phase it is in.
 *
 * ```text
 *  idle ─watch─▶ connecting ──lane open───▶ waiting ─first frame─▶ playing
 *                 ▲    │ fails                 │                      │
 *                 │    ▼                       │ closed or silent     │
 *              reconnecting ◀──────────────────┴──────────────────────┤
 *                      missing ─▶ gone ◀───── goodbye, stream deleted ┘
 * ```
 */
import { ApiError, listStreams } from './api.js';
import { retryDelayMs } from './backoff.js';
import { chosenWay } from './choice.js';
import { FrameLink } from './link.js';
import { GOODBYE } from './protocol.js';

/**
 * @typedef {'idle' | 'connecting' | 'waiting' | 'playing' | 'paused' | 'reconnecting' | 'gone' | 'closed' | 'unsupported' | 'locked'} Phase
 *
 * @typedef {object} WatchState
 * @property {Phase} phase
 * @property {string | null} streamId
 * @property {string | null} kind kind of the last problem, as in LaneError, `no-path`, `finished` or `goodbye`
 * @property {string | null} text the last problem in words
 * @property {number} failures in a row
 * @property {number | null} retryAtMs page clock (performance.now) of the next attempt, while reconnecting
 * @property {boolean} watched whether a frame of this stream has been shown
 */

export class Watcher {
  /**
   * @param {{onState: (state: WatchState) => void, onFrame: (frame: import('./receiver.js').ReceivedFrame) => void,
   *   onOpen: () => void, figures: () => Record<string, number>}} handlers
   */
  constructor(handlers) {
    this.handlers = handlers;
    /** @type {WatchState} */
    this.state = { phase: 'idle', streamId: null, kind: null, text: null, failures: 0, retryAtMs: null, watched: false };
    /** @type {FrameLink | null} */
    this.link = null;
    /** Which ways frames may come. @type {import('./choice.js').Choice} */
    this.choice = chosenWay();
    /** @type {AbortController | null} */
    this.attempt = null;
    this.retryTimer = 0;
    this.url = '';
  }

  /**
   * Leaves the present stream and watches another.
   * @param {string} streamId
   * @param {string} [url] its WHEP address
   */
  watch(streamId, url = `/whep/${encodeURIComponent(streamId)}`) {
    this.#hangUp('another stream was chosen');
    this.url = url;
    this.#set({ streamId, kind: null, text: null, failures: 0, retryAtMs: null, watched: false });
    this.#connect();
  }

  /** Watches nothing. */
  leave() {
    this.#hangUp('no stream was chosen');
    this.#set({ phase: 'idle', streamId: null, kind: null, text: null, failures: 0, retryAtMs: null });
  }

  pause() {
    if (!this.state.streamId || this.state.phase === 'paused') return;
    this.#hangUp('the viewer paused');
    this.#set({ phase: 'paused', kind: null, text: null, retryAtMs: null });
  }

  /** Connects now: after a pause, a goodbye, or instead of waiting for the next attempt. */
  resume() {
    if (!this.state.streamId || this.link) return;
    this.#connect();
  }

  /** Frames may come these ways from now on. @param {import('./choice.js').Choice} choice */
  choose(choice) {
    this.choice = choice;
    if (this.link || ['reconnecting', 'unsupported'].includes(this.state.phase)) this.#connect();
  }

  /** The page is being left. */
  hangUp() {
    this.#hangUp('the page was closed');
  }

  /** The stream is known to be deleted. @param {string} text */
  gone(text) {
    if (!this.state.streamId || this.state.phase === 'paused' || this.state.phase === 'gone') return;
    this.#hangUp('the stream is gone');
    this.#set({ phase: 'gone', kind: 'missing', text, retryAtMs: null });
  }

  /** @param {Partial<WatchState>} changes */
  #set(changes) {
    this.state = { ...this.state, ...changes };
    this.handlers.onState(this.state);
  }

  /** @param {string} reason */
  #hangUp(reason) {
    clearTimeout(this.retryTimer);
    this.attempt?.abort();
    this.attempt = null;
    const { link } = this;
    this.link = null;
    link?.close(reason);
  }

  #connect() {
    const { streamId } = this.state;
    if (!streamId) return;
    this.#hangUp('connecting anew');
    this.#set({ phase: 'connecting', retryAtMs: null });
    const link = new FrameLink({ streamId, whepUrl: this.url }, this.choice, {
      onOpen: () => link === this.link && this.#opened(),
      onFrame: (frame) => link === this.link && this.#frame(frame),
      onGoodbye: (text, code) => link === this.link && void this.#goodbye(text, code),
      onLost: (problem) => link === this.link && (link.finished ? this.#finished() : this.#failed(problem)),
      figures: this.handlers.figures,
    });
    this.link = link;
  }

  #opened() {
    this.#set({ phase: 'waiting' });
    this.handlers.onOpen();
  }

  /** @param {import('./receiver.js').ReceivedFrame} frame */
  #frame(frame) {
    if (this.state.phase === 'waiting') this.#set({ phase: 'playing', kind: null, text: null, failures: 0, watched: true });
    this.handlers.onFrame(frame);
  }

  /** @param {import('./laneerror.js').LaneError} problem */
  #failed({ why, message }) {
    if (why === 'locked') {
      this.#hangUp(message);
      this.#set({ phase: 'locked', kind: why, text: message, retryAtMs: null });
    } else if (['unsupported', 'insecure', 'unserved'].includes(why)) {
      this.#hangUp(message);
      this.#set({ phase: 'unsupported', kind: why, text: message, retryAtMs: null });
    } else if (why === 'missing') this.gone(message);
    else this.#lost(why === 'blocked' ? 'no-path' : why, message);
  }

  /**
   * @param {string} kind
   * @param {string} text
   */
  #lost(kind, text) {
    this.#hangUp(text);
    const delayMs = retryDelayMs(this.state.failures);
    this.retryTimer = window.setTimeout(() => this.#connect(), delayMs);
    this.#set({ phase: 'reconnecting', kind, text, failures: this.state.failures + 1, retryAtMs: performance.now() + delayMs });
  }

  /** The last frame has been shown; the connection is of no more use. */
  #finished() {
    this.#hangUp('every frame has arrived');
    this.#set({ phase: 'closed', kind: 'finished', text: null, retryAtMs: null });
  }

  /**
   * The server ended the link. Unless it said why, whether the stream is gone or only this viewer
   * was let go is asked, not guessed.
   * @param {string} text
   * @param {number} code
   */
  async #goodbye(text, code) {
    if (code === GOODBYE.streamDeleted) return this.gone(text);
    if (code === GOODBYE.shuttingDown) return this.#lost('lost', text || 'The server is shutting down.');
    const { streamId } = this.state;
    const asking = new AbortController();
    this.#hangUp('the server said goodbye');
    this.attempt = asking;
    try {
      const streams = await listStreams();
      if (asking.signal.aborted) return;
      if (streams.some((stream) => stream.id === streamId)) this.#set({ phase: 'closed', kind: 'goodbye', text });
      else this.gone(text);
    } catch (error) {
      if (asking.signal.aborted) return;
      const unreachable = error instanceof ApiError && error.status === 0;
      this.#lost(unreachable ? 'unreachable' : 'lost', text || 'The server ended the connection.');
    }
  }
}
