// @ts-check
/**
 * Rates and percentiles over the last seconds, from single events.
 * Fed by: player.js and watch.js. Feeds: the figures, the charts and the client_stats message.
 */

/** Events per second, over a sliding window. */
export class Rate {
  /**
   * @param {number} [windowMs]
   * @param {number} [maxEvents] kept at most; older ones leave first
   */
  constructor(windowMs = 2000, maxEvents = 2000) {
    this.windowMs = windowMs;
    this.maxEvents = maxEvents;
    /** @type {{atMs: number, amount: number}[]} */
    this.events = [];
    /** @type {number | null} when counting began */
    this.sinceMs = null;
  }

  /**
   * @param {number} nowMs
   * @param {number} [amount]
   */
  add(nowMs, amount = 1) {
    this.sinceMs ??= nowMs;
    this.events.push({ atMs: nowMs, amount });
    if (this.events.length > this.maxEvents) this.events.shift();
  }

  /**
   * Amount per second; 0 when nothing came in the window.
   * @param {number} nowMs
   */
  perSecond(nowMs) {
    if (this.sinceMs === null) return 0;
    while (this.events.length > 0 && nowMs - this.events[0].atMs > this.windowMs) this.events.shift();
    const spanMs = Math.min(this.windowMs, Math.max(nowMs - this.sinceMs, 500));
    let sum = 0;
    for (const event of this.events) sum += event.amount;
    return (sum * 1000) / spanMs;
  }
}

/** Percentiles of a value over a sliding window. */
export class Spread {
  /**
   * @param {number} [windowMs]
   * @param {number} [maxValues] kept at most; older ones leave first
   */
  constructor(windowMs = 10_000, maxValues = 1500) {
    this.windowMs = windowMs;
    this.maxValues = maxValues;
    /** @type {{atMs: number, value: number}[]} */
    this.values = [];
  }

  /**
   * @param {number} nowMs
   * @param {number} value
   */
  add(nowMs, value) {
    this.values.push({ atMs: nowMs, value });
    if (this.values.length > this.maxValues) this.values.shift();
  }

  /**
   * @param {number} nowMs
   * @param {number[]} ranks each in 0..1
   * @returns {(number | null)[]} nearest rank; null when there is no value in the window
   */
  at(nowMs, ranks) {
    while (this.values.length > 0 && nowMs - this.values[0].atMs > this.windowMs) this.values.shift();
    const sorted = this.values.map((entry) => entry.value).sort((a, b) => a - b);
    return ranks.map((rank) => sorted[Math.max(0, Math.ceil(rank * sorted.length) - 1)] ?? null);
  }
}
