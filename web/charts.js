// @ts-check
/**
 * Charts of the last 60 seconds: a figure with its values as a list and the curve as SVG.
 *
 * Fed by: app.js, one sample a second, measured here or told by the server. A value that is not
 * known makes a gap; nothing is invented between two samples more than GAP_MS apart.
 * Feeds: people. The curve is an image with a summary in words; the numbers beside it are text.
 */
import { h, setText, svg } from './dom.js';
import { bitrate, milliseconds, number, UNKNOWN } from './format.js';

/** How far back a chart reaches, ms. */
const SPAN_MS = 60_000;

/** Samples further apart are not joined, ms. */
const GAP_MS = 2600;

/** The SVG's own coordinates; CSS stretches it to the figure's width. */
const WIDTH = 600;
const HEIGHT = 100;

/**
 * @typedef {{atMs: number, values: Record<string, number | null>}} Sample
 *
 * @typedef {object} Series
 * @property {string} key in Sample.values
 * @property {string} label
 * @property {'main' | 'second'} look
 *
 * @typedef {object} ChartSpec
 * @property {string} title
 * @property {Series[]} series
 * @property {(value: unknown) => string} format
 * @property {number} least the scale reaches at least this far, so that noise does not look like drama
 */

/** @type {ChartSpec[]} */
export const CHARTS = [
  {
    title: 'Buffer', least: 10, format: (value) => number(value),
    series: [{ key: 'fill', label: 'Fill', look: 'main' }, { key: 'target', label: 'Target', look: 'second' }],
  },
  {
    title: 'Frames per second', least: 10, format: (value) => number(value, 1),
    series: [{ key: 'drawn_fps', label: 'Drawn', look: 'main' }, { key: 'delivered_fps', label: 'Delivered', look: 'second' }],
  },
  { title: 'Round trip', least: 5, format: milliseconds, series: [{ key: 'rtt_ms', label: 'RTT', look: 'main' }] },
  { title: 'Bitrate', least: 100_000, format: bitrate, series: [{ key: 'bitrate_bps', label: 'Received', look: 'main' }] },
];

export class Chart {
  /** @param {ChartSpec} spec */
  constructor(spec) {
    this.spec = spec;
    /** @type {Sample[]} */
    this.samples = [];
    /** @type {number | null} where the pointer is, as a share of the width */
    this.pointer = null;
    this.lines = spec.series.map(({ look }) => svg('path', { class: `line ${look}` }));
    this.area = svg('path', { class: 'area' });
    this.cursor = svg('line', { class: 'cursor', y1: 0, y2: HEIGHT, visibility: 'hidden' });
    this.image = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' }, ...gridLines(), this.area, ...this.lines, this.cursor);
    this.values = spec.series.map(() => h('dd', { text: UNKNOWN }));
    this.top = h('span', { class: 'scale-top', 'aria-hidden': 'true' });
    this.when = h('span', { text: 'now' });
    this.element = h('figure', { class: 'chart' },
      h('figcaption', {}, h('h3', { text: spec.title }), h('dl', {}, ...spec.series.map((series, index) => h('div', { class: series.look }, h('dt', { text: series.label }), this.values[index])))),
      h('div', { class: 'plot' }, this.image, this.top),
      h('div', { class: 'scale', 'aria-hidden': 'true' }, h('span', { text: '60 s ago' }), this.when));
    this.image.addEventListener('pointermove', (event) => this.#point(/** @type {PointerEvent} */ (event)));
    this.image.addEventListener('pointerleave', () => this.#point(null));
  }

  /** @param {Sample} sample */
  push(sample) {
    this.samples.push(sample);
    while (this.samples.length > 0 && sample.atMs - this.samples[0].atMs > SPAN_MS) this.samples.shift();
    this.#draw();
  }

  clear() {
    this.samples = [];
    this.#draw();
  }

  #draw() {
    const nowMs = this.samples.at(-1)?.atMs ?? 0;
    const scale = niceCeiling(Math.max(this.spec.least, ...this.samples.flatMap(({ values }) => this.spec.series.map(({ key }) => values[key] ?? 0))));
    this.spec.series.forEach(({ key }, index) => {
      const runs = runsOf(this.samples, key, nowMs, scale);
      this.lines[index].setAttribute('d', runs.map((run) => `M${run.map(([x, y]) => `${x} ${y}`).join('L')}`).join(''));
      if (index === 0) this.area.setAttribute('d', runs.map(areaUnder).join(''));
    });
    setText(this.top, `to ${this.spec.format(scale).replace(/\.0+(?=\D|$)/, '')}`);
    this.#drawValues();
    this.image.setAttribute('aria-label', this.#summary());
  }

  #drawValues() {
    const picked = this.#picked();
    const nowMs = this.samples.at(-1)?.atMs ?? 0;
    const shown = picked ?? this.samples.at(-1);
    this.spec.series.forEach(({ key }, index) => setText(this.values[index], this.spec.format(shown?.values[key])));
    setText(this.when, picked && picked.atMs < nowMs ? `${Math.round((nowMs - picked.atMs) / 1000)} s ago` : 'now');
    this.cursor.setAttribute('visibility', picked ? 'visible' : 'hidden');
    if (!picked) return;
    const x = xOf(picked.atMs, nowMs);
    this.cursor.setAttribute('x1', String(x));
    this.cursor.setAttribute('x2', String(x));
  }

  /** @param {PointerEvent | null} event */
  #point(event) {
    const box = this.image.getBoundingClientRect();
    this.pointer = event && box.width > 0 ? (event.clientX - box.left) / box.width : null;
    this.#drawValues();
  }

  /** The sample nearest to the pointer. @returns {Sample | null} */
  #picked() {
    if (this.pointer === null || this.samples.length === 0) return null;
    const wanted = /** @type {Sample} */ (this.samples.at(-1)).atMs - (1 - this.pointer) * SPAN_MS;
    return this.samples.reduce((best, sample) => (Math.abs(sample.atMs - wanted) < Math.abs(best.atMs - wanted) ? sample : best));
  }

  /** The chart in one sentence per series. */
  #summary() {
    const { format, series, title } = this.spec;
    const sentences = series.map(({ key, label }) => {
      const known = this.samples.map((sample) => sample.values[key]).filter((value) => value !== null && value !== undefined);
      if (known.length === 0) return `${label}: no figures yet.`;
      return `${label}: now ${format(this.samples.at(-1)?.values[key])}, between ${format(Math.min(...known))} and ${format(Math.max(...known))}.`;
    });
    return `${title}, last 60 seconds. ${sentences.join(' ')}`;
  }
}

function gridLines() {
  return [0.25, 0.5, 0.75].map((share) => svg('line', { class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT * share, y2: HEIGHT * share }));
}

/**
 * @param {number} atMs
 * @param {number} nowMs
 */
const xOf = (atMs, nowMs) => Math.round(WIDTH * (1 - (nowMs - atMs) / SPAN_MS) * 10) / 10;

/**
 * The curve as runs of points without gaps.
 * @param {Sample[]} samples
 * @param {string} key
 * @param {number} nowMs
 * @param {number} scale value at the top
 * @returns {[number, number][][]}
 */
export function runsOf(samples, key, nowMs, scale) {
  /** @type {[number, number][][]} */
  const runs = [];
  let lastMs = -Infinity;
  for (const { atMs, values } of samples) {
    const value = values[key];
    if (value === null || value === undefined) {
      lastMs = -Infinity;
      continue;
    }
    if (atMs - lastMs > GAP_MS) runs.push([]);
    lastMs = atMs;
    runs[runs.length - 1].push([xOf(atMs, nowMs), Math.round((HEIGHT - (value / scale) * (HEIGHT - 4) - 1) * 10) / 10]);
  }
  return runs;
}

/** @param {[number, number][]} run */
function areaUnder(run) {
  return `M${run[0][0]} ${HEIGHT}L${run.map(([x, y]) => `${x} ${y}`).join('L')}L${run[run.length - 1][0]} ${HEIGHT}Z`;
}

/** The next 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten. @param {number} value */
export function niceCeiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((nice) => value <= nice * power * 1.000001);
  return (step ?? 10) * power;
}
