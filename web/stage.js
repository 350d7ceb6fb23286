// @ts-check
/**
 * The stage: the canvas, and what is said over it.
 *
 * Fed by: text.js (the view of the present situation). Feeds: people, and app.js with what they press.
 */
import { byId, h, setText } from './dom.js';
import { announce } from './shell.js';
import { streamLink } from './streams.js';

/** Between two steps of the countdown, ms. */
const COUNTDOWN_MS = 250;

/** @type {Record<import('./text.js').Action, string>} */
const ACTION_WORDS = { retry: 'Retry now', resume: 'Resume', again: 'Start it again', add: 'Add a stream', mjpeg: 'Watch as MJPEG', token: '' };

/**
 * @typedef {object} StageHandlers
 * @property {(action: import('./text.js').Action) => void} onAction
 * @property {(id: string) => void} onChoose
 * @property {(token: string) => void} onToken
 */

export class Stage {
  /** @param {StageHandlers} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    this.element = byId('stage');
    this.canvas = /** @type {HTMLCanvasElement} */ (byId('video'));
    this.overlay = byId('overlay');
    /** @type {number | null} */
    this.retryAtMs = null;
    this.shown = '';
    this.spoken = '';
    this.hasPicture = false;
    const form = byId('token-form');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      handlers.onToken(/** @type {HTMLInputElement} */ (byId('token')).value.trim());
    });
    setInterval(() => this.#countDown(), COUNTDOWN_MS);
  }

  /**
   * @param {import('./text.js').View} view
   * @param {{retryAtMs: number | null, others: import('./api.js').Stream[]}} more
   */
  show(view, { retryAtMs, others }) {
    this.retryAtMs = retryAtMs;
    this.#countDown();
    const listed = view.offersOthers ? others.slice(0, 4) : [];
    const fingerprint = JSON.stringify([view, listed.map(({ id, name, state, viewers }) => [id, name, state, viewers])]);
    if (fingerprint === this.shown) return;
    this.shown = fingerprint;
    this.#showPill(view);
    this.#showMessage(view);
    this.#showOthers(listed);
  }

  /** @param {import('./text.js').View} view */
  #showPill(view) {
    byId('pill').className = `pill ${view.tone}`;
    setText(byId('pill-text'), view.label);
    const words = [view.title ?? view.label, view.tone === 'bad' ? view.detail : ''].filter(Boolean).join('. ');
    if (words !== this.spoken) announce(words);
    this.spoken = words;
  }

  /** @param {import('./text.js').View} view */
  #showMessage(view) {
    const silent = !view.title;
    const hadFocus = this.overlay.contains(document.activeElement);
    this.overlay.hidden = silent;
    this.element.dataset.tone = view.tone;
    byId('overlay-busy').hidden = view.tone !== 'busy';
    setText(byId('overlay-title'), view.title ?? '');
    setText(byId('overlay-detail'), view.detail ?? '');
    byId('overlay-detail').hidden = !view.detail;
    byId('token-form').hidden = !view.actions.includes('token');
    byId('overlay-actions').replaceChildren(...view.actions.filter((action) => action !== 'token').map((action, index) => h('button', {
      type: 'button', class: index === 0 ? 'button primary' : 'button', text: ACTION_WORDS[action], 'data-action': action, onclick: () => this.handlers.onAction(action),
    })));
    if (hadFocus) /** @type {HTMLElement | null} */ (silent ? this.element : byId('overlay-actions').querySelector('button'))?.focus();
  }

  /** @param {import('./api.js').Stream[]} streams */
  #showOthers(streams) {
    const list = byId('overlay-others');
    list.hidden = streams.length === 0;
    list.replaceChildren(...streams.map((stream) => h('li', {}, streamLink(stream, false, this.handlers.onChoose))));
  }

  #countDown() {
    const line = byId('overlay-countdown');
    line.hidden = this.retryAtMs === null;
    if (this.retryAtMs === null) return;
    const seconds = Math.max(0, Math.ceil((this.retryAtMs - performance.now()) / 1000));
    setText(line, seconds === 0 ? 'Trying again…' : `Trying again in ${seconds} s`);
  }

  /** The stage takes the picture's shape. @param {number} width @param {number} height */
  fit(width, height) {
    const ratio = `${width} / ${height}`;
    if (this.hasPicture && this.element.style.getPropertyValue('--ratio') === ratio) return;
    this.hasPicture = true;
    this.element.style.setProperty('--ratio', ratio);
    this.element.dataset.picture = 'yes';
    this.canvas.setAttribute('aria-label', `The stream's picture, ${width} by ${height} pixels`);
  }

  /** No picture of an earlier stream under the messages of the next. */
  clear() {
    this.hasPicture = false;
    delete this.element.dataset.picture;
  }

  /** Whether the picture can fill the screen here. */
  static canFill() {
    return typeof document.documentElement.requestFullscreen === 'function' && document.fullscreenEnabled;
  }

  toggleFullscreen() {
    if (document.fullscreenElement) void document.exitFullscreen();
    else this.element.requestFullscreen().catch(() => announce('Fullscreen was not allowed'));
  }

  /** @param {string} name of the file, without its ending */
  saveSnapshot(name) {
    this.canvas.toBlob((blob) => {
      if (!blob) return;
      const url = URL.createObjectURL(blob);
      h('a', { href: url, download: `${name}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    }, 'image/png');
  }
}
