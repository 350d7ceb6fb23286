// @ts-check
/**
 * A lane by WebRTC data channel: one WHEP session.
 *
 * Fed by: lanes.js, which says when. Feeds: link.js, with messages.
 */
import { takeEarlyOffer } from './early.js';
import { LaneError } from './laneerror.js';
import { openSession, prepareOffer, SessionError } from './whep.js';

/** What whep.js calls a problem, as lanes name it. @type {Record<SessionError['kind'], import('./laneerror.js').Why>} */
const WHY = { unsupported: 'unsupported', unreachable: 'unreachable', missing: 'missing', locked: 'locked', refused: 'refused', 'no-path': 'blocked' };

/**
 * @param {import('./lanes.js').Way} way
 * @param {import('./lanes.js').LaneHandlers} handlers
 * @returns {Promise<import('./lanes.js').Lane>}
 * @throws {LaneError | DOMException}
 */
export async function openDataLane({ whepUrl, link, signal, onViewer }, handlers) {
  let session;
  try {
    const offer = await (takeEarlyOffer() ?? prepareOffer());
    if (signal.aborted) {
      offer.peer.close();
      throw new DOMException('given up', 'AbortError');
    }
    session = await openSession(`${whepUrl}?link=${link}`, offer, signal, onViewer);
  } catch (error) {
    throw error instanceof SessionError ? new LaneError(WHY[error.kind], error.message) : error;
  }
  const { channel, peer } = session;
  channel.addEventListener('message', ({ data }) => data instanceof ArrayBuffer && handlers.onMessage(new Uint8Array(data)));
  channel.addEventListener('close', () => handlers.onClosed('The connection was closed.'));
  peer.addEventListener('connectionstatechange', () => peer.connectionState === 'failed' && handlers.onClosed('The network path to the server was lost.'));
  return { send: (message) => send(channel, message), backlog: () => channel.bufferedAmount, close: () => session.close() };
}

/**
 * @param {RTCDataChannel} channel
 * @param {Uint8Array<ArrayBuffer>} message
 */
function send(channel, message) {
  if (channel.readyState !== 'open') return;
  try {
    channel.send(message);
  } catch {
    // The channel closed between the check and the call, or its buffer is full: its close event, or silence, tells.
  }
}
