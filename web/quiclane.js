// @ts-check
/**
 * A lane by WebTransport: asks the server where, and has a worker connect there.
 *
 * Fed by: lanes.js, which says when. Feeds: link.js, with whole frames and messages.
 */
import { request } from './api.js';
import { newWorker, takeEarlyWorker } from './early.js';
import { LaneError, laneError } from './laneerror.js';

/** From the invitation to an open session, ms. On a path that passes UDP it takes two round trips. */
const OPEN_TIMEOUT_MS = 4000;

/** Why this page cannot have such a lane; null: it can. @returns {LaneError | null} */
export function quicUnavailable() {
  if (!window.isSecureContext) return new LaneError('insecure', 'This page is not a secure context: browsers have QUIC over HTTPS and on localhost only.');
  if (!('WebTransport' in window)) return new LaneError('unsupported', 'This browser has no WebTransport.');
  return null;
}

/** @param {string} hex */
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));

/**
 * Where the server's QUIC is. For `localhost` browsers try `::1`, and nothing after it, so its IPv4 address is named where
 * the server has no other; but not to a certificate that is checked by name.
 *
 * @param {string} hostname of the page
 * @param {string[]} hashes
 * @param {string} [loopback] what the server says reaches it
 */
export function quicHost(hostname, hashes, loopback) {
  const isLocal = hostname === 'localhost' || hostname.endsWith('.localhost');
  return isLocal && hashes.length > 0 && loopback ? loopback : hostname;
}

/**
 * @param {import('./lanes.js').Way} way
 * @param {import('./lanes.js').LaneHandlers} handlers
 * @returns {Promise<import('./lanes.js').Lane>}
 * @throws {LaneError | DOMException}
 */
export async function openQuicLane({ streamId, link, signal, onViewer, greetingOf }, handlers) {
  const unavailable = quicUnavailable();
  if (unavailable) throw unavailable;
  const worker = takeEarlyWorker() ?? newWorker();
  try {
    const url = `/lanes/webtransport/${encodeURIComponent(streamId)}?link=${link}`;
    const response = await request(url, { method: 'POST', signal });
    const { port, path, certificate_hashes: hashes, loopback_host: loopback, epoch } = await response.json();
    onViewer(response.headers.get('Location')?.split('/').pop() ?? null);
    const open = `https://${quicHost(window.location.hostname, hashes, loopback)}:${port}${path}`;
    worker.postMessage({ open, hashes: hashes.map(bytesOf), greeting: epoch === undefined ? null : greetingOf(epoch) });
    await opened(worker, handlers, signal);
    return {
      send: (message) => worker.postMessage({ send: message }, [message.buffer]),
      backlog: () => 0,
      close: (reason) => worker.postMessage({ close: reason }),
    };
  } catch (error) {
    worker.terminate();
    throw laneError(error);
  }
}

/**
 * @param {Worker} worker
 * @param {import('./lanes.js').LaneHandlers} handlers
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function opened(worker, handlers, signal) {
  return new Promise((resolve, reject) => {
    const blocked = (/** @type {string} */ text) => reject(new LaneError('blocked', `No QUIC packet gets through between this browser and the server. ${text}`));
    const timer = setTimeout(() => blocked(''), OPEN_TIMEOUT_MS);
    let isOpen = false;
    worker.onmessage = ({ data }) => {
      if (data.frame) handlers.onFrame(data.frame);
      else if (data.message) handlers.onMessage(data.message);
      else if (data.opened) {
        isOpen = true;
        clearTimeout(timer);
        resolve();
      } else if (data.closed !== undefined) {
        clearTimeout(timer);
        if (isOpen) handlers.onClosed(data.closed);
        else blocked(data.closed);
      }
    };
    worker.onerror = () => {
      clearTimeout(timer);
      if (isOpen) handlers.onClosed('The worker that reads QUIC has failed.');
      else reject(new LaneError('unsupported', 'This browser cannot run the worker that reads QUIC.'));
    };
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('given up', 'AbortError'));
    });
    if (signal.aborted) reject(new DOMException('given up', 'AbortError'));
  });
}
