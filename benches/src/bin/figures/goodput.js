// @ts-check
/** Receives frames with the viewer page's own receiver, acknowledges them, and counts. Served by goodput.rs. */
import { FrameReceiver } from '/web/receiver.js';
import { offering } from '/web/sdp.js';

const receiver = new FrameReceiver();
const counts = { frames: 0, bytes: 0, first_ms: 0, last_ms: 0, refused: 0 };
Object.assign(window, { goodput: () => ({ ...counts, refused: receiver.stats.refused }) });

const peer = new RTCPeerConnection();
const channel = peer.createDataChannel('frames', { ordered: true });
channel.binaryType = 'arraybuffer';
channel.addEventListener('message', (event) => {
  const handled = receiver.handleMessage(new Uint8Array(event.data));
  for (const reply of handled.replies) channel.send(reply);
  counts.last_ms = performance.now();
  if (counts.first_ms === 0) counts.first_ms = counts.last_ms;
  for (const frame of handled.frames) {
    counts.frames += 1;
    counts.bytes += frame.payload.length;
  }
});

await peer.setLocalDescription();
const response = await fetch('/offer', { method: 'POST', body: offering(peer.localDescription?.sdp ?? '') });
await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
