// @ts-check
/**
 * Which ways frames may come, as the person at this browser has chosen; kept in its local storage.
 *
 * Fed by: lanepanel.js. Feeds: early.js and lanes.js.
 */

/** @typedef {'quic' | 'data' | 'websocket'} Kind */

/** The best first. @type {readonly Kind[]} */
export const KINDS = Object.freeze(['quic', 'data', 'websocket']);

/** @typedef {'auto' | Kind} Choice */

const KEY = 'frameway.lanes';

/** @returns {Choice} */
export function chosenWay() {
  try {
    const stored = /** @type {Choice} */ (localStorage.getItem(KEY));
    return [...KINDS, 'auto'].includes(stored) ? stored : 'auto';
  } catch {
    return 'auto';
  }
}

/** @param {Choice} choice */
export function rememberWay(choice) {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}
