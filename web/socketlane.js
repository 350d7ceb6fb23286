// @ts-check
/**
 * A lane by WebSocket, the last resort where no UDP passes. It opens its channel with a text message; every other message is
 * the channel's number, one byte, and a message of docs/wire.md.
 *
 * Fed by: lanes.js, which says when. Feeds: link.js, with messages.
 */
import { token } from './api.js';
import { LaneError } from './laneerror.js';

/** The sub-protocol that the server speaks. */
const PROTOCOL = 'frameway.lane.1';

/** From the request to an open socket, ms. */
const OPEN_TIMEOUT_MS = 5000;

/** The only channel, by its place in what the page opens. */
const CHANNEL = 0;

/** A token as a sub-protocol, for a browser lets a page set no header here. @param {string} text */
const asProtocol = (text) => `bearer.${btoa(String.fromCharCode(...new TextEncoder().encode(text))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')}`;

/**
 * @param {import('./lanes.js').Way} way
 * @param {import('./lanes.js').LaneHandlers} handlers
 * @returns {Promise<import('./lanes.js').Lane>}
 * @throws {LaneError | DOMException}
 */
export async function openSocketLane({ streamId, link, signal }, handlers) {
  const url = new URL(`/lanes/websocket/${encodeURIComponent(streamId)}?link=${link}`, window.location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const bearer = token();
  const socket = new WebSocket(url, bearer ? [PROTOCOL, asProtocol(bearer)] : [PROTOCOL]);
  socket.binaryType = 'arraybuffer';
  try {
    await opened(socket, signal);
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.send(JSON.stringify({ channels: [{ label: 'frames' }] }));
  socket.addEventListener('message', ({ data }) => {
    if (data instanceof ArrayBuffer && data.byteLength > 1) handlers.onMessage(new Uint8Array(data, 1));
  });
  socket.addEventListener('close', ({ reason }) => handlers.onClosed(reason || 'The connection was closed.'));
  return {
    send: (message) => send(socket, message),
    backlog: () => socket.bufferedAmount,
    close: () => socket.close(),
  };
}

/**
 * @param {WebSocket} socket
 * @param {Uint8Array} message
 */
function send(socket, message) {
  if (socket.readyState !== WebSocket.OPEN) return;
  const framed = new Uint8Array(1 + message.length);
  framed[0] = CHANNEL;
  framed.set(message, 1);
  socket.send(framed);
}

/**
 * @param {WebSocket} socket
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function opened(socket, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new LaneError('blocked', 'The server does not answer the WebSocket.')), OPEN_TIMEOUT_MS);
    const settle = (/** @type {() => void} */ act) => () => {
      clearTimeout(timer);
      act();
    };
    socket.addEventListener('open', settle(resolve), { once: true });
    socket.addEventListener('error', settle(() => reject(new LaneError('refused', 'The server, or something before it, refused the WebSocket.'))), { once: true });
    signal.addEventListener('abort', settle(() => reject(new DOMException('given up', 'AbortError'))), { once: true });
    if (signal.aborted) reject(new DOMException('given up', 'AbortError'));
  });
}
