// @ts-check
/**
 * What the first frame waits for and nothing on the page is needed for: the first offer, and the
 * first look at which streams there are. index.html runs it as soon as it has arrived (`async`), while the
 * document and the other modules are still on their way.
 *
 * Fed by: nothing. Feeds: watch.js and streams.js, each of which takes its promise once.
 */
import { listStreams } from './api.js';
import { prepareOffer } from './whep.js';

/**
 * A promise that is handed out once; null after that.
 * @template T
 * @param {Promise<T>} promise
 * @returns {() => Promise<T> | null}
 */
function once(promise) {
  promise.catch(() => { /* told to whoever takes it */ });
  /** @type {Promise<T> | null} */
  let left = promise;
  return () => {
    const taken = left;
    left = null;
    return taken;
  };
}

export const takeEarlyOffer = once(prepareOffer());
export const takeEarlyList = once(listStreams());
