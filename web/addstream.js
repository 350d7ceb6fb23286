// @ts-check
/**
 * The dialog that adds a stream, by URI or CID.
 * Fed by: a person. Feeds: POST /api/v1/streams, and app.js with the stream that came of it.
 */
import { ApiError, createStream } from './api.js';
import { byId, setText } from './dom.js';
import { describeError } from './text.js';

/** What looks like a CID: version 0, or version 1 in base32 or base58. */
const CID = /^(Qm[1-9A-HJ-NP-Za-km-z]{44}|b[a-z2-7]{50,}|z[1-9A-HJ-NP-Za-km-z]{46,})$/;

/** Fields whose errors have a place of their own. */
const FIELDS = ['uri', 'name', 'quality', 'kbps', 'buffer_size', 'prefetch_threshold', 'width', 'framerate'];

/** Fields that are numbers, left out when empty. */
const NUMBERS = ['buffer_size', 'prefetch_threshold', 'width', 'framerate'];

/**
 * The request's body out of what was typed.
 * @param {FormData} form
 * @returns {Record<string, unknown>}
 */
export function bodyOf(form) {
  const text = (/** @type {string} */ name) => String(form.get(name) ?? '').trim();
  /** @type {Record<string, unknown>} */
  const body = { quality: text('quality') || 'auto', loop: form.get('loop') !== null };
  body[CID.test(text('uri')) ? 'cid' : 'uri'] = text('uri');
  if (text('name')) body.name = text('name');
  for (const name of NUMBERS) if (text(name) !== '') body[name] = Number(text(name));
  return body;
}

/** What a stream was made from, by the names that POST takes; `looping` is asked for as `loop`. */
const MADE_FROM = /** @type {const} */ (['uri', 'name', 'quality', 'kbps', 'buffer_size', 'prefetch_threshold', 'width', 'height', 'framerate', 'use_progressive_loading', 'ice_servers', 'benchmark']);

/**
 * The body that makes the same stream again.
 * @param {import('./api.js').Stream} stream
 */
export function bodyAgain(stream) {
  const known = MADE_FROM.map((name) => [name, stream[name]]).filter(([, value]) => value !== null && value !== undefined);
  return { ...Object.fromEntries(known), loop: stream.looping ?? false };
}

export class AddDialog {
  /** @param {(stream: import('./api.js').Stream) => void} onAdded */
  constructor(onAdded) {
    this.onAdded = onAdded;
    this.dialog = /** @type {HTMLDialogElement} */ (byId('add-dialog'));
    this.form = /** @type {HTMLFormElement} */ (byId('add-form'));
    this.submit = /** @type {HTMLButtonElement} */ (byId('add-submit'));
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#add();
    });
    byId('add-cancel').addEventListener('click', () => this.dialog.close());
  }

  open() {
    this.#clearErrors();
    this.dialog.showModal();
    byId('add-uri').focus();
  }

  async #add() {
    this.#clearErrors();
    const body = bodyOf(new FormData(this.form));
    if (!body.uri && !body.cid) return this.#fault('uri', 'Say which video: a path, an address or a CID.');
    this.submit.disabled = true;
    setText(this.submit, 'Opening…');
    try {
      const stream = await createStream(body);
      this.dialog.close();
      this.form.reset();
      this.onAdded(stream);
    } catch (error) {
      const field = error instanceof ApiError ? error.problem.field : undefined;
      this.#fault(field === 'cid' ? 'uri' : field, describeError(error));
    }
    this.submit.disabled = false;
    setText(this.submit, 'Add and watch');
  }

  /**
   * @param {string | undefined} field
   * @param {string} text
   */
  #fault(field, text) {
    const known = field !== undefined && FIELDS.includes(field);
    setText(byId(known ? `add-${field}-error` : 'add-error'), text);
    if (!known) return;
    const input = /** @type {HTMLInputElement | null} */ (this.form.querySelector(`[name="${field}"]`));
    input?.closest('details')?.setAttribute('open', '');
    input?.setAttribute('aria-invalid', 'true');
    input?.focus();
  }

  #clearErrors() {
    for (const field of FIELDS) setText(byId(`add-${field}-error`), '');
    setText(byId('add-error'), '');
    for (const input of this.form.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
  }
}
