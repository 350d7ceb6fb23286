// @ts-check
/**
 * One WebRTC session by WHEP (RFC 9725's sibling, draft-ietf-wish-whep): an offer, an answer, a channel.
 *
 * Fed by: datalane.js, which says for which stream.
 * Feeds: datalane.js, with an open data channel labelled `frames`.
 *
 * Nothing waits for ICE gathering: the server is ICE-lite with public candidates, so the browser's
 * own checks tell it all it needs, and the offer goes out as soon as it is made. For the same
 * reason there is no trickle.
 */
import { ApiError, request } from './api.js';
import { offering } from './sdp.js';

/** The label the server looks for (docs/wire.md runs on it). */
const CHANNEL_LABEL = 'frames';

/** From the answer to an open channel, ms. On a path that passes UDP it takes a few round trips. */
const OPEN_TIMEOUT_MS = 6000;

/** Why a session could not be made. */
export class SessionError extends Error {
  /**
   * @param {'unsupported' | 'unreachable' | 'missing' | 'locked' | 'refused' | 'no-path'} kind
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = 'SessionError';
    this.kind = kind;
  }
}

/**
 * @typedef {object} Offer a peer connection with its offer made, not yet sent
 * @property {RTCPeerConnection} peer
 * @property {RTCDataChannel} channel
 * @property {string} sdp
 *
 * @typedef {object} Session
 * @property {RTCPeerConnection} peer
 * @property {RTCDataChannel} channel open
 * @property {() => void} close ends it here; the server notices by itself, or hears it from link.js
 */

/**
 * ICE servers (TURN) that the last answer named in its Link headers; used from the next session on.
 * @type {RTCIceServer[]}
 */
let iceServers = [];

export function webrtcAvailable() {
  return typeof RTCPeerConnection === 'function' && 'createDataChannel' in RTCPeerConnection.prototype;
}

/**
 * Makes an offer. Needs no stream, so the page does it while it still asks which streams there are.
 * @returns {Promise<Offer>}
 * @throws {SessionError}
 */
export async function prepareOffer() {
  if (!webrtcAvailable()) throw new SessionError('unsupported', 'This browser has no WebRTC data channels, or they are switched off.');
  const peer = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
  try {
    const channel = peer.createDataChannel(CHANNEL_LABEL, { ordered: true });
    channel.binaryType = 'arraybuffer';
    await peer.setLocalDescription();
    return { peer, channel, sdp: offering(peer.localDescription?.sdp ?? '') };
  } catch (error) {
    peer.close();
    throw new SessionError('unsupported', `This browser cannot make a WebRTC connection: ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * Sends the offer and waits until the channel is open.
 * @param {string} url the stream's WHEP address
 * @param {Offer} offer
 * @param {AbortSignal} signal gives up and closes everything
 * @param {(viewer: string | null) => void} onViewer what the server calls this viewer: the last part of its WHEP resource
 * @returns {Promise<Session>}
 * @throws {SessionError | DOMException}
 */
export async function openSession(url, offer, signal, onViewer) {
  const { peer, channel } = offer;
  const close = () => {
    channel.close();
    peer.close();
  };
  try {
    const response = await request(url, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offer.sdp, signal });
    onViewer(response.headers.get('Location')?.split('/').pop() ?? null);
    iceServers = parseIceServers(response.headers.get('Link') ?? '');
    await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    await channelOpen(peer, channel, signal);
    return { peer, channel, close };
  } catch (error) {
    close();
    throw sessionError(error);
  }
}

/** @param {unknown} error */
function sessionError(error) {
  if (error instanceof SessionError || (error instanceof DOMException && error.name === 'AbortError')) return error;
  if (error instanceof ApiError) {
    if (error.status === 0) return new SessionError('unreachable', error.message);
    if (error.status === 404) return new SessionError('missing', error.message);
    if (error.status === 401 || error.status === 403) return new SessionError('locked', error.message);
    return new SessionError('refused', error.message);
  }
  return new SessionError('refused', `The server's answer cannot be used: ${error instanceof Error ? error.message : error}`);
}

/**
 * @param {RTCPeerConnection} peer
 * @param {RTCDataChannel} channel
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function channelOpen(peer, channel, signal) {
  if (channel.readyState === 'open') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const finished = new AbortController();
    /** @param {unknown} [error] */
    const settle = (error) => {
      clearTimeout(timer);
      finished.abort();
      if (error) reject(error);
      else resolve();
    };
    const noPath = () => settle(new SessionError('no-path', 'The server answered, but no UDP packet gets through between it and this browser.'));
    const timer = setTimeout(noPath, OPEN_TIMEOUT_MS);
    const options = { signal: finished.signal };
    channel.addEventListener('open', () => settle(), options);
    channel.addEventListener('close', noPath, options);
    peer.addEventListener('connectionstatechange', () => peer.connectionState === 'failed' && noPath(), options);
    signal.addEventListener('abort', () => settle(new DOMException('given up', 'AbortError')), options);
    if (signal.aborted) settle(new DOMException('given up', 'AbortError'));
  });
}

/**
 * ICE servers out of WHEP's Link headers: `<turn:host?transport=tcp>; rel="ice-server"; username="u"; credential="c"`.
 * @param {string} header
 * @returns {RTCIceServer[]}
 */
export function parseIceServers(header) {
  /** @type {RTCIceServer[]} */
  const servers = [];
  for (const [, url, attributes] of header.matchAll(/<((?:stun|turn)s?:[^>]+)>((?:\s*;\s*[\w-]+="[^"]*")*)/g)) {
    const values = new Map([...attributes.matchAll(/([\w-]+)="([^"]*)"/g)].map((match) => [match[1], match[2]]));
    if (values.get('rel') !== 'ice-server') continue;
    const username = values.get('username');
    servers.push(username === undefined ? { urls: url } : { urls: url, username, credential: values.get('credential') ?? '' });
  }
  return servers;
}
