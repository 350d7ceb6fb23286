// @ts-check
/**
 * Figures as people read them. Fed by whatever is measured; feeds dashboard.js and charts.js.
 * A value that is not known is shown as an en dash, never as 0.
 */

/** Stands for a value that is not known. */
export const UNKNOWN = '–';

/** @param {unknown} value @returns {value is number} */
const known = (value) => typeof value === 'number' && Number.isFinite(value);

/** @param {unknown} value @param {number} [digits] after the point */
export function number(value, digits = 0) {
  return known(value) ? value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }) : UNKNOWN;
}

/** @param {unknown} ms */
export function milliseconds(ms) {
  if (!known(ms)) return UNKNOWN;
  if (ms >= 10_000) return `${number(ms / 1000, 1)} s`;
  return `${number(ms, ms < 10 ? 1 : 0)} ms`;
}

/** @param {unknown} bps bits per second */
export function bitrate(bps) {
  if (!known(bps)) return UNKNOWN;
  if (bps >= 1e6) return `${number(bps / 1e6, bps < 1e7 ? 2 : 1)} Mbit/s`;
  return `${number(bps / 1e3)} kbit/s`;
}

/** @param {unknown} bytes */
export function size(bytes) {
  if (!known(bytes)) return UNKNOWN;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${number(bytes / 1024 ** unit, unit > 1 ? 1 : 0)} ${units[unit]}`;
}

/** Minutes, seconds and milliseconds of a presentation time. @param {unknown} us */
export function timestamp(us) {
  if (!known(us)) return UNKNOWN;
  const ms = Math.max(0, Math.round(us / 1000));
  const hours = Math.floor(ms / 3_600_000);
  const minutes = String(Math.floor(ms / 60_000) % 60).padStart(2, '0');
  const seconds = String(Math.floor(ms / 1000) % 60).padStart(2, '0');
  return `${hours > 0 ? `${hours}:` : ''}${minutes}:${seconds}.${String(ms % 1000).padStart(3, '0')}`;
}

/** @param {unknown} ratio @param {number} [digits] */
export function percent(ratio, digits = 0) {
  return known(ratio) ? `${number(ratio * 100, digits)} %` : UNKNOWN;
}
