// @ts-check
/**
 * The figures: buffer health, what this viewer sees, what the server says of the stream.
 *
 * Fed by: app.js once a second, with report.js's account of this page and the server's metrics.
 * Feeds: people. What is not known is shown as an en dash.
 */
import { byId, h, setText } from './dom.js';
import { bitrate, milliseconds, number, percent, size, timestamp, UNKNOWN } from './format.js';
import { describeHealth } from './text.js';

/** Names of the stages of metrics.timing, in the order a frame passes them. */
const STAGES = { decode_ms: 'Decode', encode_ms: 'Encode', send_ms: 'Send', ack_ms: 'Acknowledge' };

/** The figures in their order: a name, a hint, and the value out of all that is known. */
const FIGURES = /** @type {[string, string, (all: Known) => string][]} */ ([
  ['Frame age p50 / p95', 'From leaving the server’s buffer to being drawn here, over 10 s: half of the frames are younger, 95 % are', ({ page }) => `${milliseconds(page.age_ms.p50)} / ${milliseconds(page.age_ms.p95)}`],
  ['Frames drawn', 'By this page, since it was opened', ({ page }) => number(page.frames.drawn)],
  ['Dropped here', 'Frames that this page was too slow to draw', ({ page }) => number(page.frames.dropped + page.frames.undecodable)],
  ['Not sent', 'Frames that the server replaced while the connection of this viewer was busy, or left out to keep to its bitrate', ({ viewer }) => number(viewer && viewer.frames_dropped + viewer.frames_left_out)],
  ['Resolution', 'Of the frames as they arrive', ({ page, stream }) => resolution(page.frame ?? stream?.video)],
  ['Source', 'Codec and container', ({ stream }) => (stream?.video ? [stream.video.codec, stream.video.container].filter(Boolean).join(' in ') : UNKNOWN)],
  ['Source rate', 'Frames per second of the source, as measured', ({ metrics, stream }) => (metrics || stream?.video ? `${number(metrics?.performance?.source_fps ?? stream?.video?.frame_rate, 1)} fps` : UNKNOWN)],
  ['JPEG quality', 'Of the frame on the canvas, 1–100', ({ page }) => (page.frame?.quality ? number(page.frame.quality) : UNKNOWN)],
  ['Bitrate / target', 'Of this viewer, over the last 30 frames; the target is what was asked for, configured, or what the connection carries', ({ viewer }) => `${bitrate(viewer?.rate?.bitrate_bps)} / ${bitrate(viewer?.rate?.target_bps)}`],
  ['Frame size', 'Of the frame on the canvas', ({ page }) => size(page.frame?.bytes)],
  ['Position', 'Presentation time of the frame on the canvas', ({ page }) => timestamp(page.frame?.pts_us)],
  ['Viewers', 'Connected to this stream now', ({ metrics, stream }) => number(metrics?.viewers?.length ?? stream?.viewers)],
  ['Underflows', 'Times the buffer had no frame in time', ({ metrics }) => number(metrics?.buffer?.underflows)],
  ['Loaded', 'Of the source', ({ metrics }) => loaded(metrics?.loading)],
]);

/**
 * @typedef {object} Known
 * @property {ReturnType<import('./report.js').Report['page']>} page
 * @property {any} metrics the server's last, or null
 * @property {any} viewer this page in metrics.viewers, or null
 * @property {import('./api.js').Stream | null} stream
 */

export class Dashboard {
  constructor() {
    this.values = FIGURES.map(() => h('dd', { text: UNKNOWN }));
    byId('figures').append(...FIGURES.map(([name, hint], index) => h('div', { title: hint }, h('dt', { text: name }), this.values[index])));
    this.more = /** @type {HTMLDetailsElement} */ (byId('more'));
  }

  /** @param {Known} known */
  show(known) {
    FIGURES.forEach(([, , value], index) => setText(this.values[index], value(known)));
    this.#glance(known);
    this.#buffer(known.metrics?.buffer, known.metrics?.state);
    if (this.more.open) this.#tables(known);
  }

  /** @param {Known} known */
  #glance({ page }) {
    setText(byId('glance-age'), page.phase === 'playing' ? milliseconds(page.age_ms.p50) : UNKNOWN);
    setText(byId('glance-fps'), page.phase === 'playing' ? number(page.fps.drawn, 1) : UNKNOWN);
    setText(byId('glance-frame'), number(page.frame?.source_id));
  }

  /**
   * @param {any} buffer
   * @param {string | undefined} state the stream's
   */
  #buffer(buffer, state) {
    const { label, tone, words } = describeHealth(buffer?.health, state);
    const badge = byId('health');
    setText(badge, label);
    badge.className = `badge ${tone}`;
    setText(byId('health-words'), words);
    const gauge = byId('gauge');
    const target = buffer?.size ?? 0;
    const share = target > 0 ? Math.min(1, buffer.fill / target) : 0;
    gauge.setAttribute('aria-valuemax', String(Math.max(1, target)));
    gauge.setAttribute('aria-valuenow', String(Math.min(buffer?.fill ?? 0, Math.max(1, target))));
    gauge.setAttribute('aria-valuetext', buffer ? `${buffer.fill} of ${target} frames, ${label.toLowerCase()}` : 'not known');
    gauge.dataset.tone = tone;
    byId('gauge-fill').style.setProperty('--share', String(share));
    byId('gauge-mark').style.setProperty('--share', String(buffer?.prefetch_threshold ?? 0.5));
  }

  /** @param {Known} known */
  #tables({ metrics, viewer }) {
    const timing = metrics?.timing ?? {};
    byId('timing-rows').replaceChildren(...Object.entries(STAGES).filter(([key]) => timing[key]).map(([key, name]) => h('tr', {}, h('th', { scope: 'row', text: name }),
      ...['p50', 'p95', 'p99'].map((rank) => h('td', { text: milliseconds(timing[key][rank]) })))));
    byId('viewer-rows').replaceChildren(...(metrics?.viewers ?? []).map((/** @type {any} */ one) => h('tr', {},
      h('th', { scope: 'row', text: one === viewer ? 'This page' : one.remote || one.id }),
      h('td', { text: milliseconds(one.rtt_ms) }), h('td', { text: bitrate(one.bitrate_bps) }),
      h('td', { text: number(one.frames_acked) }), h('td', { text: number(one.frames_dropped) }),
      h('td', { text: number(one.client?.drawn) }), h('td', { text: milliseconds(one.client?.age_p95_ms) }))));
  }
}

/** @param {{width: number, height: number} | null | undefined} picture */
function resolution(picture) {
  return picture ? `${picture.width} × ${picture.height}` : UNKNOWN;
}

/** @param {{fetched_bytes?: number, total_bytes?: number} | null | undefined} loading */
function loaded(loading) {
  if (!loading?.total_bytes) return UNKNOWN;
  const share = Math.min(1, (loading.fetched_bytes ?? 0) / loading.total_bytes);
  return `${percent(share)} of ${size(loading.total_bytes)}`;
}
