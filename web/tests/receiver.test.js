// Frames arrive whole, in order, each once, whatever the order of their pieces; every one is acknowledged.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_ERROR, KIND } from '../protocol.js';
import { FrameReceiver, LIMITS } from '../receiver.js';
import { decode, encode, WireError } from '../wire.js';

const EPOCH = 77;
const meta = (/** @type {number} */ id) => [id, id * 40_000, 40_000, 640, 360, 0, 70, 1, 1000 + id, 0];
const hello = () => encode([1, KIND.hello, EPOCH, 0, 262_144, 64, 1 << 24, 0]);

/** @param {number} sequence @param {number} length @param {{attempt?: number, piece?: number, epoch?: number}} [options] */
function chunks(sequence, length, { attempt = 0, piece = 100, epoch = EPOCH } = {}) {
  const payload = Uint8Array.from({ length }, (_, index) => (index + sequence) & 0xff);
  const list = [];
  for (let offset = 0; offset === 0 || offset < length; offset += piece) {
    list.push(encode([1, KIND.chunk, epoch, sequence, attempt, length, offset, offset === 0 ? meta(sequence) : null, payload.subarray(offset, offset + piece)]));
  }
  return list;
}

/** @param {FrameReceiver} receiver @param {Uint8Array[]} messages */
function feed(receiver, messages) {
  const frames = [];
  const replies = [];
  for (const message of messages) {
    const handled = receiver.handleMessage(message);
    frames.push(...handled.frames);
    replies.push(...handled.replies.map((reply) => /** @type {any[]} */ (decode(reply))));
  }
  return { frames, replies };
}

test('greets back in the epoch of the sender, with its window', () => {
  const { replies } = feed(new FrameReceiver(), [hello()]);
  assert.deepEqual(replies.map((reply) => reply.slice(0, 4)), [[1, KIND.hello, EPOCH, 1]]);
  assert.ok(replies[0][5] > 0 && replies[0][6] > 0);
});

test('greets in the epoch that signalling told, and takes no other', () => {
  const receiver = new FrameReceiver();
  const [, kind, epoch, role] = /** @type {any[]} */ (decode(receiver.greetingOf(EPOCH + 1)));
  assert.deepEqual([kind, epoch, role], [KIND.hello, EPOCH + 1, 1]);
  assert.deepEqual(feed(receiver, [hello()]).replies, [], 'of another link');
  assert.equal(receiver.stats.otherEpoch, 1);
});

test('puts a frame together and acknowledges it', () => {
  const { frames, replies } = feed(new FrameReceiver(), [hello(), ...chunks(0, 250)]);
  assert.equal(frames.length, 1);
  assert.deepEqual([...frames[0].payload.subarray(0, 3), frames[0].payload.length], [0, 1, 2, 250]);
  assert.deepEqual([frames[0].meta.sourceId, frames[0].meta.encoding, frames[0].meta.quality], [0, 'jpeg', 70]);
  assert.deepEqual(replies.at(-1).slice(0, 5), [1, KIND.ack, EPOCH, 1, [[0, 0]]]);
});

test('an empty frame is one chunk', () => {
  assert.equal(feed(new FrameReceiver(), [hello(), ...chunks(0, 0)]).frames[0].payload.length, 0);
});

test('frames come out in order when they are completed out of order', () => {
  const receiver = new FrameReceiver();
  const early = feed(receiver, [hello(), ...chunks(1, 50)]);
  assert.equal(early.frames.length, 0);
  assert.deepEqual(early.replies.at(-1).slice(3, 5), [0, [[1, 0]]]);
  assert.deepEqual(feed(receiver, chunks(0, 50)).frames.map((frame) => frame.sequence), [0, 1]);
});

test('pieces of two frames may alternate', () => {
  const [a, b] = [chunks(0, 300), chunks(1, 300)];
  const { frames } = feed(new FrameReceiver(), [hello(), ...a.flatMap((piece, index) => [piece, b[index]])]);
  assert.deepEqual(frames.map((frame) => frame.sequence), [0, 1]);
});

test('a later attempt replaces an earlier one that broke off; a duplicate is acknowledged, not delivered', () => {
  const receiver = new FrameReceiver();
  const { frames } = feed(receiver, [hello(), chunks(0, 300)[0], ...chunks(0, 300, { attempt: 1 })]);
  assert.equal(frames.length, 1);
  const again = feed(receiver, chunks(0, 80, { attempt: 2 }));
  assert.equal(again.frames.length, 0);
  assert.deepEqual(again.replies.at(-1).slice(1, 5), [KIND.ack, EPOCH, 1, [[0, 2]]]);
  assert.equal(receiver.stats.duplicates, 1);
});

test('a piece that does not fit is refused once, and the next attempt is taken', () => {
  const receiver = new FrameReceiver();
  const pieces = chunks(0, 400);
  const { replies } = feed(receiver, [hello(), pieces[0], pieces[2], pieces[3]]);
  assert.deepEqual(replies.filter((reply) => reply[1] === KIND.frameError).map((reply) => reply.slice(3, 6)), [[0, 0, FRAME_ERROR.conflict]]);
  assert.equal(feed(receiver, chunks(0, 400, { attempt: 1 })).frames.length, 1);
});

test('a frame larger than the limit is refused before memory is taken', () => {
  const message = encode([1, KIND.chunk, EPOCH, 0, 0, LIMITS.maxFrameBytes + 1, 0, meta(0), new Uint8Array(4)]);
  assert.equal(feed(new FrameReceiver(), [hello(), message]).replies.at(-1)[5], FRAME_ERROR.tooLarge);
});

test('reassemblies are bounded, and a frame that never comes does not hold up the rest for ever', () => {
  const receiver = new FrameReceiver();
  feed(receiver, [hello(), ...Array.from({ length: 50 }, (_, index) => chunks(index + 1, 300)[0])]);
  assert.ok(receiver.partials.size <= LIMITS.maxPartials);
  const fresh = new FrameReceiver();
  const { frames } = feed(fresh, [hello(), ...[1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((sequence) => chunks(sequence, 10))]);
  assert.deepEqual(frames.map((frame) => frame.sequence), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(fresh.stats.skipped, 1);
});

test('a frame that is missing is waited for only so long', () => {
  const receiver = new FrameReceiver();
  feed(receiver, [hello()]);
  const take = (/** @type {number} */ sequence, /** @type {number} */ nowMs) => chunks(sequence, 10).flatMap((message) => receiver.handleMessage(message, nowMs).frames.map((frame) => frame.sequence));
  assert.deepEqual(take(1, 1000), []);
  assert.deepEqual(take(2, 1000 + LIMITS.maxHeldMs), []);
  assert.deepEqual(take(3, 1001 + LIMITS.maxHeldMs), [1, 2, 3]);
  assert.deepEqual(take(0, 1002 + LIMITS.maxHeldMs), [], 'never backwards');
  assert.deepEqual(take(4, 1003 + LIMITS.maxHeldMs), [4]);
});

test('a frame that came whole another way is the same as one in pieces, each once', () => {
  const receiver = new FrameReceiver();
  const whole = (/** @type {number} */ sequence) => receiver.handleFrame({ epoch: EPOCH, sequence, attempt: 0, meta: /** @type {any} */ ({}), payload: new Uint8Array(5) });
  assert.deepEqual(whole(0).replies.map((reply) => /** @type {any[]} */ (decode(reply))[1]), [KIND.hello, KIND.ack]);
  assert.deepEqual(feed(receiver, chunks(0, 5, { attempt: 1 })).frames, []);
  assert.deepEqual(feed(receiver, chunks(1, 5)).frames.map((frame) => frame.sequence), [1]);
  assert.deepEqual(whole(1).frames, []);
  assert.equal(receiver.stats.duplicates, 2);
});

test('another epoch is ignored and counted; a later kind too; end of file is answered', () => {
  const receiver = new FrameReceiver();
  const { frames, replies } = feed(receiver, [hello(), ...chunks(0, 50, { epoch: 5 }), encode([1, 42, EPOCH, 'later']), encode([1, KIND.eof, EPOCH, 9, 900, 2n ** 63n])]);
  assert.equal(frames.length, 0);
  assert.deepEqual([receiver.stats.otherEpoch, receiver.stats.unknownKind], [1, 1]);
  assert.deepEqual(replies.at(-1), [1, KIND.eofAck, EPOCH, 0, 0], 'its own totals, not the sender’s');
});

test('what is not a message is refused and counted, and the receiver goes on', () => {
  const receiver = new FrameReceiver();
  feed(receiver, [hello()]);
  const refused = [encode('text'), encode([2, 0, 0]), encode([1, KIND.chunk, EPOCH, 0]), encode([1, KIND.chunk, EPOCH, -1, 0, 1, 0, meta(0), new Uint8Array(1)]), Uint8Array.of(0xc1)];
  for (const message of refused) assert.throws(() => receiver.handleMessage(message), WireError);
  assert.equal(receiver.stats.malformed, refused.length);
  assert.equal(feed(receiver, chunks(0, 50)).frames.length, 1);
});
