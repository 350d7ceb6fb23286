// @ts-check
/**
 * The buffer controls: each acts at once, shows what was asked for, then what the server answered.
 *
 * Fed by: the sliders and buttons, and app.js with the server's account of the stream.
 * Feeds: PATCH /api/v1/streams/{id}, at most one at a time; what changes meanwhile goes with the next.
 */
import { changeStream } from './api.js';
import { byId, setText } from './dom.js';
import { number, percent } from './format.js';
import { describeError } from './text.js';

/** A slider that is being dragged asks this often at most, ms. */
const DEBOUNCE_MS = 150;

/**
 * @typedef {'buffer_size' | 'prefetch_threshold' | 'quality'} Field
 * @typedef {{buffer_size?: number, prefetch_threshold?: number, quality?: import('./api.js').Quality}} Changes
 */

/** @type {Record<Field, string>} where each field's error goes */
const ERROR_PLACE = { buffer_size: 'buffer-size-error', prefetch_threshold: 'prefetch-threshold-error', quality: 'quality-error' };

export class BufferControls {
  /** @param {(stream: import('./api.js').Stream) => void} onAnswer the stream as the server has it now */
  constructor(onAnswer) {
    this.onAnswer = onAnswer;
    this.form = /** @type {HTMLFormElement} */ (byId('controls'));
    this.size = /** @type {HTMLInputElement} */ (byId('buffer-size'));
    this.threshold = /** @type {HTMLInputElement} */ (byId('prefetch-threshold'));
    this.radios = /** @type {HTMLInputElement[]} */ ([...this.form.querySelectorAll('input[name="quality"]')]);
    /** @type {import('./api.js').Stream | null} what the server has */
    this.confirmed = null;
    /** @type {Changes} asked for, not sent yet */
    this.pending = {};
    this.sending = false;
    this.timer = 0;
    this.size.addEventListener('input', () => this.#change('buffer_size', this.size.valueAsNumber));
    this.threshold.addEventListener('input', () => this.#change('prefetch_threshold', Math.round(this.threshold.valueAsNumber * 100) / 100));
    for (const radio of this.radios) radio.addEventListener('change', () => this.#change('quality', radio.value));
    this.form.addEventListener('submit', (event) => event.preventDefault());
    this.show(null);
  }

  /** @param {import('./api.js').Stream | null} stream */
  show(stream) {
    if (stream?.id !== this.confirmed?.id) {
      this.pending = {};
      clearTimeout(this.timer);
      this.#clearErrors();
    }
    this.confirmed = stream;
    this.form.toggleAttribute('inert', !stream);
    this.form.classList.toggle('off', !stream);
    if (stream && !this.sending && Object.keys(this.pending).length === 0) this.#display(stream);
  }

  /** @param {Changes} values */
  #display(values) {
    if (values.buffer_size !== undefined) this.size.value = String(values.buffer_size);
    if (values.prefetch_threshold !== undefined) this.threshold.value = String(values.prefetch_threshold);
    if (values.quality !== undefined) for (const radio of this.radios) radio.checked = radio.value === values.quality;
    this.#displayNumbers();
  }

  #displayNumbers() {
    const frames = this.size.valueAsNumber;
    const words = `${number(frames)} ${frames === 1 ? 'frame' : 'frames'}`;
    setText(byId('buffer-size-value'), words);
    this.size.setAttribute('aria-valuetext', words);
    setText(byId('prefetch-threshold-value'), percent(this.threshold.valueAsNumber));
    this.threshold.setAttribute('aria-valuetext', percent(this.threshold.valueAsNumber));
    for (const slider of [this.size, this.threshold]) {
      const share = (slider.valueAsNumber - Number(slider.min)) / (Number(slider.max) - Number(slider.min));
      slider.style.setProperty('--share', String(share));
    }
  }

  /**
   * @param {Field} field
   * @param {number | string} value
   */
  #change(field, value) {
    if (!this.confirmed) return;
    Object.assign(this.pending, { [field]: value });
    setText(byId(ERROR_PLACE[field]), '');
    this.#displayNumbers();
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.#send(), field === 'quality' ? 0 : DEBOUNCE_MS);
  }

  async #send() {
    const stream = this.confirmed;
    if (!stream || this.sending || Object.keys(this.pending).length === 0) return;
    const changes = this.pending;
    this.pending = {};
    this.sending = true;
    this.form.setAttribute('aria-busy', 'true');
    try {
      const answer = await changeStream(stream.id, changes);
      this.sending = false;
      if (this.confirmed?.id === stream.id) this.onAnswer(answer);
    } catch (error) {
      this.sending = false;
      if (this.confirmed?.id === stream.id) this.#rollBack(changes, error);
    }
    this.form.removeAttribute('aria-busy');
    void this.#send();
  }

  /**
   * @param {Changes} changes that were refused
   * @param {unknown} error
   */
  #rollBack(changes, error) {
    const fields = /** @type {Field[]} */ (Object.keys(changes));
    const named = /** @type {{problem?: {field?: string}}} */ (error).problem?.field;
    const place = fields.find((field) => field === named) ?? fields[0];
    setText(byId(ERROR_PLACE[place]), describeError(error));
    const before = /** @type {Record<string, unknown>} */ (this.confirmed ?? {});
    this.#display(Object.fromEntries(fields.filter((field) => !(field in this.pending)).map((field) => [field, before[field]])));
  }

  #clearErrors() {
    for (const place of Object.values(ERROR_PLACE)) setText(byId(place), '');
  }
}
