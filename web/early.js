// @ts-check
/**
 * What the first frame waits for and nothing on the page is needed for: the first offer, the worker that reads QUIC, and the
 * first look at which streams there are. index.html runs it as soon as it has arrived (`async`), while the
 * document and the other modules are still on their way.
 *
 * Fed by: nothing. Feeds: datalane.js, quiclane.js and streams.js, each of which takes its own once.
 */
import { listStreams } from './api.js';
import { chosenWay } from './choice.js';
import { prepareOffer } from './whep.js';

/** What a promise leads to is handed out once; null after that. @template T @param {T} made @returns {() => T | null} */
function once(made) {
  if (made instanceof Promise) made.catch(() => { /* told to whoever takes it */ });
  /** @type {T | null} */
  let left = made;
  return () => {
    const taken = left;
    left = null;
    return taken;
  };
}

/** @returns {Worker} reads a WebTransport session */
export const newWorker = () => new Worker(new URL('./quicworker.js', import.meta.url), { type: 'module' });

/** @param {import('./choice.js').Kind} kind */
const isWanted = (kind) => ['auto', kind].includes(chosenWay());

export const takeEarlyOffer = once(isWanted('data') ? prepareOffer() : null);
export const takeEarlyWorker = once(isWanted('quic') && window.isSecureContext && 'WebTransport' in window ? newWorker() : null);
export const takeEarlyList = once(listStreams());
