// @ts-check
/**
 * Watching one stream: connects, notices when it breaks, and connects again.
 *
 * Fed by: app.js (which stream, pause, resume) and streams.js (what the server says of it).
 * Feeds: player.js with frames, and stage.js with the phase it is in.
 *
 * ```text
 *  idle ─watch─▶ connecting ─channel open─▶ waiting ─first frame─▶ playing
 *                 ▲    │ fails                 │                      │
 *                 │    ▼                       │ closed or silent     │
 *              reconnecting ◀──────────────────┴──────────────────────┤
 *                      missing ─▶ gone ◀───── goodbye, stream deleted ┘
 * ```
 */
import { ApiError, listStreams } from './api.js';
import { retryDelayMs } from './backoff.js';
import { takeEarlyOffer } from './early.js';
import { FrameLink } from './link.js';
import { GOODBYE } from './protocol.js';
import { openSession, prepareOffer, SessionError } from './whep.js';

/**
 * @typedef {'idle' | 'connecting' | 'waiting' | 'playing' | 'paused' | 'reconnecting' | 'gone' | 'closed' | 'unsupported' | 'locked'} Phase
 *
 * @typedef {object} WatchState
 * @property {Phase} phase
 * @property {string | null} streamId
 * @property {string | null} kind kind of the last problem, as in SessionError, or `lost`
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
    /** @type {import('./whep.js').Session | null} */
    this.session = null;
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
    void this.#connect();
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
    if (!this.state.streamId || this.session || this.state.phase === 'connecting') return;
    void this.#connect();
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
    this.link?.close(reason);
    this.link = null;
    this.session?.close();
    this.session = null;
  }

  async #connect() {
    this.#hangUp('connecting anew');
    const attempt = new AbortController();
    this.attempt = attempt;
    this.#set({ phase: 'connecting', retryAtMs: null });
    try {
      const offer = await (takeEarlyOffer() ?? prepareOffer());
      if (attempt.signal.aborted) return offer.peer.close();
      const session = await openSession(this.url, offer, attempt.signal);
      if (attempt.signal.aborted) return session.close();
      this.#opened(session);
    } catch (error) {
      if (!attempt.signal.aborted) this.#failed(error);
    }
  }

  /** @param {import('./whep.js').Session} session */
  #opened(session) {
    this.session = session;
    this.link = new FrameLink(session.channel, {
      onFrame: (frame) => this.#frame(frame),
      onGoodbye: (text, code) => void this.#goodbye(text, code),
      onLost: (reason) => (this.link?.finished ? this.#finished() : this.#lost('lost', reason)),
      figures: this.handlers.figures,
    });
    session.peer.addEventListener('connectionstatechange', () => {
      if (session === this.session && session.peer.connectionState === 'failed') this.#lost('lost', 'The network path to the server was lost.');
    });
    this.#set({ phase: 'waiting' });
    this.handlers.onOpen();
  }

  /** @param {import('./receiver.js').ReceivedFrame} frame */
  #frame(frame) {
    if (this.state.phase === 'waiting') this.#set({ phase: 'playing', kind: null, text: null, failures: 0, watched: true });
    this.handlers.onFrame(frame);
  }

  /** @param {unknown} error */
  #failed(error) {
    const kind = error instanceof SessionError ? error.kind : 'refused';
    const text = error instanceof Error ? error.message : String(error);
    if (kind === 'unsupported' || kind === 'locked') {
      this.#hangUp(text);
      this.#set({ phase: kind, kind, text, retryAtMs: null });
    } else if (kind === 'missing') this.gone(text);
    else this.#lost(kind, text);
  }

  /**
   * @param {string} kind
   * @param {string} text
   */
  #lost(kind, text) {
    this.#hangUp(text);
    const delayMs = retryDelayMs(this.state.failures);
    this.retryTimer = window.setTimeout(() => void this.#connect(), delayMs);
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
