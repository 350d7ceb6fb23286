// @ts-check
/**
 * Which streams there are: asked now and then, listed under the button in the header.
 *
 * Fed by: GET /api/v1/streams. Feeds: app.js (what became of the stream that is watched) and the list.
 */
import { ApiError, listStreams } from './api.js';
import { byId, h, setText } from './dom.js';
import { takeEarlyList } from './early.js';
import { number } from './format.js';

/** Between two looks while all is well, ms; the metrics bring the rest as it happens. */
const CALM_MS = 4000;

/** Between two looks while something is missing, ms. */
const EAGER_MS = 1500;

export class Directory {
  /** @param {(directory: Directory) => void} onChange after each answer and each failure */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {import('./api.js').Stream[]} */
    this.streams = [];
    /** Whether an answer has ever come. */
    this.listed = false;
    /** @type {string | null} why the last look failed */
    this.problem = null;
    this.locked = false;
    this.eager = false;
    this.timer = 0;
    this.asking = false;
  }

  /** Looks now, and from then on regularly. */
  async refresh() {
    clearTimeout(this.timer);
    if (this.asking) return;
    this.asking = true;
    try {
      this.streams = await (takeEarlyList() ?? listStreams());
      this.listed = true;
      this.problem = null;
      this.locked = false;
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
      this.locked = error instanceof ApiError && error.status === 401;
    }
    this.asking = false;
    this.onChange(this);
    this.#schedule();
  }

  /** @param {boolean} eager whether to look more often */
  setEager(eager) {
    if (this.eager === eager) return;
    this.eager = eager;
    if (!this.asking) this.#schedule();
  }

  #schedule() {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.refresh(), this.eager ? EAGER_MS : CALM_MS);
  }

  /** @param {string | null} id */
  find(id) {
    return this.streams.find((stream) => stream.id === id) ?? null;
  }

  /** Takes the server's latest account of one stream. @param {import('./api.js').Stream} stream */
  put(stream) {
    const at = this.streams.findIndex((known) => known.id === stream.id);
    if (at < 0) this.streams.push(stream);
    else this.streams[at] = stream;
    this.onChange(this);
  }

  /** @param {string} id */
  remove(id) {
    this.streams = this.streams.filter((stream) => stream.id !== id);
    this.onChange(this);
  }

  /** The stream to show when none was asked for: the first that plays, else the first. */
  first() {
    return this.streams.find((stream) => stream.state === 'playing') ?? this.streams[0] ?? null;
  }

  /**
   * The same source under a new id, as after a restart of the server.
   * @param {import('./api.js').Stream} gone
   */
  twinOf(gone) {
    return this.streams.find((stream) => stream.name === gone.name && stream.uri === gone.uri) ?? null;
  }
}

/** Words for a stream's state. */
const STATES = { starting: 'Starting', playing: 'Playing', paused: 'Paused', ended: 'Ended', failed: 'Failed' };

/** The button in the header and the list below it. */
export class StreamMenu {
  /** @param {{onChoose: (id: string) => void, onAdd: () => void}} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    this.button = /** @type {HTMLButtonElement} */ (byId('stream-button'));
    this.panel = byId('stream-panel');
    this.list = byId('stream-list');
    this.shown = '';
    this.button.addEventListener('click', () => this.toggle(this.panel.hidden === true));
    byId('add-button').addEventListener('click', () => {
      this.toggle(false);
      handlers.onAdd();
    });
    document.addEventListener('click', (event) => {
      const inside = event.target instanceof Node && (this.panel.contains(event.target) || this.button.contains(event.target));
      if (!inside) this.toggle(false);
    });
    this.panel.parentElement?.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.panel.hidden) return;
      this.toggle(false);
      this.button.focus();
    });
  }

  /** @param {boolean} open */
  toggle(open) {
    this.panel.hidden = !open;
    this.button.setAttribute('aria-expanded', String(open));
    if (open) this.list.querySelector('a')?.focus();
  }

  /**
   * @param {{streams: import('./api.js').Stream[], listed: boolean}} directory
   * @param {string | null} currentId
   * @param {string} [knownAs] its name, should it not be among them any more
   */
  show({ streams, listed }, currentId, knownAs) {
    const current = streams.find((stream) => stream.id === currentId);
    setText(byId('stream-name'), current?.name || knownAs || currentId || 'Streams');
    const count = streams.length === 1 ? '1 stream' : `${streams.length} streams`;
    setText(byId('stream-count'), listed ? count : '');
    byId('wall-link').hidden = streams.length < 2;
    const fingerprint = JSON.stringify([listed, currentId, streams.map(({ id, name, state, viewers, video }) => [id, name, state, viewers, video?.width])]);
    if (fingerprint === this.shown) return;
    this.shown = fingerprint;
    const focused = this.list.contains(document.activeElement) ? document.activeElement?.getAttribute('href') : null;
    this.list.replaceChildren(...streams.map((stream) => h('li', {}, streamLink(stream, stream.id === currentId, (id) => {
      this.toggle(false);
      this.handlers.onChoose(id);
    }))));
    if (streams.length === 0) this.list.append(h('li', { class: 'hint', text: listed ? 'No streams yet.' : 'Looking for streams…' }));
    if (focused) /** @type {HTMLElement | null} */ (this.list.querySelector(`a[href="${CSS.escape(focused)}"]`))?.focus();
  }
}

/**
 * A link to a stream, which also works when opened in another tab.
 * @param {import('./api.js').Stream} stream
 * @param {boolean} current
 * @param {(id: string) => void} onChoose
 */
export function streamLink(stream, current, onChoose) {
  const { video } = stream;
  const about = [
    STATES[stream.state] ?? stream.state,
    video ? `${video.width} × ${video.height}, ${number(video.frame_rate, video.frame_rate % 1 ? 1 : 0)} fps` : null,
    stream.viewers === undefined ? null : `${stream.viewers} watching`,
  ].filter(Boolean).join(' · ');
  return h('a', {
    class: 'stream-link',
    href: `/?stream=${encodeURIComponent(stream.id)}`,
    'aria-current': current ? 'true' : null,
    onclick: (/** @type {MouseEvent} */ event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      onChoose(stream.id);
    },
  }, h('span', { class: `dot ${stream.state}`, 'aria-hidden': 'true' }), h('span', { class: 'stream-title', text: stream.name || stream.id }), h('span', { class: 'stream-about', text: about }));
}
