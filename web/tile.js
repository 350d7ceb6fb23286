// @ts-check
/**
 * One stream of several: its own link, its own canvas, a line of figures.
 *
 * Fed by: wall.js (which stream, time). Feeds: people. Frames come over WebTransport or WebRTC, never over a connection
 * of which a browser opens only six to one host.
 */
import { pageClockUs } from './clock.js';
import { h, setText } from './dom.js';
import { bitrate, number, UNKNOWN } from './format.js';
import { Player } from './player.js';
import { describe, STARVED_MS } from './text.js';
import { Watcher } from './watch.js';

/** What is told of the stream's state by the dot before its name. */
const DOTS = { live: 'playing', busy: 'starting', idle: '', bad: 'failed' };

export class Tile {
  /** @param {import('./api.js').Stream | {id: string, name?: string}} stream */
  constructor(stream) {
    this.id = stream.id;
    const href = `/?stream=${encodeURIComponent(stream.id)}`;
    const canvas = h('canvas', { width: 640, height: 360, role: 'img', 'data-stream': stream.id, 'aria-label': `Picture of ${stream.name || stream.id}` });
    this.words = h('p', { class: 'tile-words' });
    this.dot = h('span', { class: 'dot', 'aria-hidden': 'true' });
    this.name = h('a', { class: 'tile-name', href, text: stream.name || stream.id });
    this.figures = h('span', { class: 'tile-figures', text: UNKNOWN });
    this.element = h('article', { class: 'tile' },
      h('div', { class: 'tile-picture' }, canvas, this.words),
      h('div', { class: 'tile-foot' }, this.dot, this.name, this.figures));
    this.lastDrawnMs = 0;
    this.player = new Player(canvas, {
      ageMs: (releasedUs) => this.watcher.link?.clock.ageMs(releasedUs, pageClockUs()) ?? null,
      onDrawn: (frame) => this.#drawn(canvas, frame),
    });
    this.watcher = new Watcher({
      onState: () => this.show(this.stream),
      onFrame: (frame) => this.player.push(frame),
      onOpen: () => this.player.reset(),
      figures: () => this.#told(),
    });
    /** As the server last listed it. @type {import('./api.js').Stream | null} */
    this.stream = 'whep_url' in stream ? stream : null;
  }

  start() {
    this.watcher.watch(this.id, this.stream?.whep_url);
  }

  stop() {
    this.watcher.hangUp();
    this.element.remove();
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import('./player.js').DrawnFrame} frame
   */
  #drawn(canvas, frame) {
    const waited = performance.now() - this.lastDrawnMs > STARVED_MS;
    this.lastDrawnMs = performance.now();
    this.element.dataset.picture = '';
    canvas.dispatchEvent(new CustomEvent('frameway:frame', { detail: { ...frame, stream: this.id } }));
    if (waited) this.show(this.stream);
  }

  /** What the server is told about this viewer. @returns {Record<string, number>} */
  #told() {
    const { counts } = this.player;
    return { drawn: counts.drawn, dropped: counts.dropped, undecodable: counts.undecodable, fps_drawn: this.player.drawn.perSecond(performance.now()) };
  }

  /** For whoever tests or automates the page. */
  report() {
    const nowMs = performance.now();
    const { player, watcher } = this;
    return {
      stream: this.id, phase: watcher.state.phase, drawn: player.counts.drawn, fps: player.drawn.perSecond(nowMs),
      quality: player.last?.quality ?? null, bitrate_bps: 8 * player.receivedBytes.perSecond(nowMs),
    };
  }

  /** @param {import('./api.js').Stream | null} stream as the server lists it now */
  show(stream) {
    this.stream = stream;
    // The watcher may speak before this is set up, in the same turn.
    queueMicrotask(() => {
      const { state } = this.watcher;
      const starved = state.phase === 'playing' && performance.now() - this.lastDrawnMs > STARVED_MS;
      const view = describe({ watch: state, stream, listed: true, anyStreams: false, listProblem: null, starved, fault: null });
      this.words.hidden = !view.title;
      setText(this.words, view.title ?? '');
      this.words.title = view.detail ?? '';
      this.dot.className = `dot ${DOTS[view.tone]}`;
      if (stream?.name) setText(this.name, stream.name);
      const { fps, quality, bitrate_bps: bps } = this.report();
      setText(this.figures, view.tone === 'live' ? `${number(fps)} fps · q ${number(quality)} · ${bitrate(bps)}` : view.label);
    });
  }
}
