// @ts-check
/**
 * Takes every frame by the viewer page's own worker (or data channel) and receiver, acknowledges it, and notes when it came.
 * Served by webtransport.rs; `?data` has the data channel.
 */
import { FrameReceiver } from '/web/receiver.js';
import { offering } from '/web/sdp.js';

const receiver = new FrameReceiver();
/** @type {{frames: number, bytes: number, first_ms: number, last_ms: number, refused: number, ages_ms: number[], closed: string | null}} */
const seen = { frames: 0, bytes: 0, first_ms: 0, last_ms: 0, refused: 0, ages_ms: [], closed: null };
const sequences = new Set();
Object.assign(window, { seen: () => ({ ...seen, refused: receiver.stats.refused }) });

function began() {
  seen.last_ms = performance.now();
  if (seen.first_ms === 0) seen.first_ms = seen.last_ms;
}

/** @param {number} sequence @param {{payload: Uint8Array, meta: {releasedUs: number | bigint}}} frame */
function note(sequence, { payload, meta }) {
  if (sequences.has(sequence)) return;
  sequences.add(sequence);
  seen.frames += 1;
  seen.bytes += payload.length;
  const released = Number(meta.releasedUs);
  if (released > 0) seen.ages_ms.push(performance.timeOrigin + performance.now() - released / 1000);
}

async function byData() {
  const peer = new RTCPeerConnection();
  const channel = peer.createDataChannel('frames', { ordered: true });
  channel.binaryType = 'arraybuffer';
  channel.addEventListener('message', (event) => {
    began();
    const handled = receiver.handleMessage(new Uint8Array(event.data), performance.now());
    for (const reply of handled.replies) channel.send(reply);
    for (const frame of handled.frames) note(frame.sequence, frame);
  });
  await peer.setLocalDescription();
  const headers = { 'content-type': 'application/sdp' };
  const response = await fetch('/offer', { method: 'POST', headers, body: offering(peer.localDescription?.sdp ?? '') });
  await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
}

async function byQuic() {
  const worker = new Worker('/web/quicworker.js', { type: 'module' });
  /** @param {Uint8Array[]} replies */
  const send = (replies) => replies.forEach((reply) => worker.postMessage({ send: reply }, [reply.buffer]));
  worker.onmessage = ({ data }) => {
    if (data.closed !== undefined) seen.closed = data.closed;
    if (!data.frame && !data.message) return;
    began();
    if (data.frame) note(data.frame.sequence, data.frame);
    const now = performance.now();
    send((data.frame ? receiver.handleFrame(data.frame, now) : receiver.handleMessage(data.message, now)).replies);
  };
  const response = await fetch('/lanes/webtransport/bench', { method: 'POST' });
  const { port, path, certificate_hashes: hashes, epoch } = await response.json();
  const bytes = hashes.map((/** @type {string} */ hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16)));
  worker.postMessage({ open: `https://${window.location.hostname}:${port}${path}`, hashes: bytes, greeting: receiver.greetingOf(epoch) });
}

await (window.location.search === '?data' ? byData() : byQuic());
