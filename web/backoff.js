// @ts-check
/**
 * When to try again: later each time, and not all viewers at once.
 * Fed by: watch.js and events.js with the count of failures. Feeds: them, with a delay.
 */

/** Never sooner than this, ms. */
export const MIN_DELAY_MS = 500;

/** Never later than this, ms: a viewer should see a restarted server soon. */
export const MAX_DELAY_MS = 8000;

/**
 * A random delay between MIN_DELAY_MS and a limit that doubles from 1 s to MAX_DELAY_MS.
 * @param {number} failures before this one
 * @param {() => number} [random] in 0..1
 * @returns {number} ms
 */
export function retryDelayMs(failures, random = Math.random) {
  const limit = Math.min(MAX_DELAY_MS, 1000 * 2 ** Math.min(failures, 10));
  return Math.round(MIN_DELAY_MS + random() * (limit - MIN_DELAY_MS));
}
