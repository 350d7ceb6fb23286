// @ts-check
/**
 * Everything this page knows, as data: for the figures, for "Copy stats", for the server
 * (client_stats) and for automation (`window.frameway`).
 *
 * Fed by: player.js, watch.js and the server's metrics. Feeds: dashboard.js, link.js, the clipboard.
 */
import { byId } from './dom.js';

/** No metrics for this long: what the server said last is no longer shown as the present, ms. */
const METRICS_STALE_MS = 3500;

/** @param {number | null | undefined} value @param {number} [digits] */
const round = (value, digits = 2) => (value === null || value === undefined ? null : Number(value.toFixed(digits)));

export class Report {
  /**
   * @param {import('./player.js').Player} player
   * @param {import('./watch.js').Watcher} watcher
   */
  constructor(player, watcher) {
    this.player = player;
    this.watcher = watcher;
    /** @type {any} */
    this.lastMetrics = null;
    this.metricsAtMs = -Infinity;
    /** When the first frame was drawn, ms after the page's navigation began. @type {number | null} */
    this.firstFrameMs = null;
  }

  /** @param {any} metrics null: of another stream from now on */
  setMetrics(metrics) {
    this.lastMetrics = metrics;
    this.metricsAtMs = metrics ? performance.now() : -Infinity;
  }

  /** The server's metrics, unless they are old. */
  metrics() {
    return performance.now() - this.metricsAtMs < METRICS_STALE_MS ? this.lastMetrics : null;
  }

  /** This page in the server's list of viewers. */
  viewer() {
    const epoch = this.watcher.link?.receiver.epoch ?? null;
    return (epoch !== null && this.metrics()?.viewers?.find((/** @type {any} */ viewer) => viewer.epoch === epoch)) || null;
  }

  /** What was measured in this page. Ages and times in ms, rates per second. */
  page() {
    const { player, watcher } = this;
    const nowMs = performance.now();
    const [p50, p95] = player.age.at(nowMs, [0.5, 0.95]);
    const [decodeP50, decodeP95] = player.decodeMs.at(nowMs, [0.5, 0.95]);
    const clock = watcher.link?.clock;
    return {
      phase: watcher.state.phase,
      stream: watcher.state.streamId,
      problem: watcher.state.text,
      session: watcher.link?.viewer ?? null,
      lane: watcher.link?.lanes.carrier ?? null,
      lane_choice: watcher.choice,
      lanes: watcher.link?.lanes.report() ?? [],
      first_frame_ms: round(this.firstFrameMs, 0),
      frames: { ...player.counts },
      fps: { received: round(player.received.perSecond(nowMs), 1) ?? 0, drawn: round(player.drawn.perSecond(nowMs), 1) ?? 0 },
      bitrate_bps: Math.round(player.receivedBytes.perSecond(nowMs) * 8),
      age_ms: { p50: round(p50), p95: round(p95) },
      decode_ms: { p50: round(decodeP50), p95: round(decodeP95) },
      rtt_ms: round(clock?.rttUs == null ? null : clock.rttUs / 1000),
      smoothed_rtt_ms: round(clock?.srttUs == null ? null : clock.srttUs / 1000),
      clock_offset_us: round(clock?.offsetUs, 0),
      frame: player.last,
      link: watcher.link ? { ...watcher.link.receiver.stats, fault: watcher.link.lastFault } : null,
      fault: player.lastFault,
      visible: document.visibilityState === 'visible',
    };
  }

  /** The figures told to the server: at most 32, numbers only. */
  figures() {
    const page = this.page();
    /** @type {Record<string, number | null>} */
    const figures = {
      drawn: page.frames.drawn, dropped: page.frames.dropped, undecodable: page.frames.undecodable,
      fps_drawn: page.fps.drawn, age_p50_ms: page.age_ms.p50, age_p95_ms: page.age_ms.p95,
      decode_p50_ms: page.decode_ms.p50, decode_p95_ms: page.decode_ms.p95,
      rtt_ms: page.smoothed_rtt_ms, visible: page.visible ? 1 : 0,
    };
    return /** @type {Record<string, number>} */ (Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== null)));
  }

  /** @param {import('./api.js').Stream | null} stream */
  all(stream) {
    return { time: new Date().toISOString(), page: this.page(), stream, server: this.lastMetrics };
  }
}

/**
 * Copies text; where the page may not, it is shown selected instead.
 * @param {string} text
 * @returns {Promise<boolean>} whether it is on the clipboard
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = /** @type {HTMLTextAreaElement} */ (byId('copy-text'));
    area.value = text;
    /** @type {HTMLDialogElement} */ (byId('copy-dialog')).showModal();
    area.focus();
    area.select();
    return false;
  }
}

/**
 * `window.frameway`, for automation and the curious; web/README.md documents it.
 * @param {Report} report
 * @param {() => import('./api.js').Stream | null} stream
 */
export function exposeHook(report, stream) {
  const { canvas } = report.player;
  Object.defineProperty(window, 'frameway', {
    value: Object.freeze({
      get state() { return report.watcher.state.phase; },
      get stream() { return report.watcher.state.streamId; },
      get canvas() { return canvas; },
      stats: () => structuredClone(report.all(stream())),
      onframe(/** @type {(info: import('./player.js').DrawnFrame, canvas: HTMLCanvasElement) => void} */ callback) {
        const listener = (/** @type {Event} */ event) => callback(/** @type {CustomEvent} */ (event).detail, canvas);
        canvas.addEventListener('frameway:frame', listener);
        return () => canvas.removeEventListener('frameway:frame', listener);
      },
    }),
  });
}
