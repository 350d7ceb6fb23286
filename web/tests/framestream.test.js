// Streams are cut anywhere; frames come out whole, and what breaks the rules is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deframer } from '../deframer.js';
import { FrameStream } from '../framestream.js';
import { KIND } from '../protocol.js';
import { LIMITS } from '../receiver.js';
import { encode, WireError } from '../wire.js';

const meta = [7, 0, 40_000, 640, 360, 0, 70, 1, 1000, 0];

/** @param {Uint8Array} message */
function framed(message) {
  const bytes = new Uint8Array(4 + message.length);
  new DataView(bytes.buffer).setUint32(0, message.length);
  bytes.set(message, 4);
  return bytes;
}

/** @param {number} frameBytes @param {number} offset @param {Uint8Array} payload @param {number} [sequence] */
const chunk = (frameBytes, offset, payload, sequence = 3) => framed(encode([1, KIND.chunk, 9, sequence, 0, frameBytes, offset, offset === 0 ? meta : null, payload]));

/** @param {...Uint8Array} parts */
const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));

const payload = Uint8Array.from({ length: 500 }, (_, index) => index & 0xff);
const stream = joined(Uint8Array.of(1, 0), chunk(500, 0, payload.subarray(0, 200)), chunk(500, 200, payload.subarray(200)));

test('a frame is whole wherever its stream is cut', () => {
  for (let piece = 1; piece <= stream.length; piece += piece < 20 ? 1 : 37) {
    const frames = new FrameStream();
    const whole = [];
    for (let at = 0; at < stream.length; at += piece) whole.push(frames.push(stream.subarray(at, at + piece)));
    const frame = whole.pop();
    assert.ok(whole.every((none) => none === null));
    assert.deepEqual([frame?.epoch, frame?.sequence, frame?.attempt, frame?.meta.sourceId], [9, 3, 0, 7]);
    assert.deepEqual(frame?.payload, payload);
    assert.equal(frame?.payload.byteLength, frame?.payload.buffer.byteLength, 'its buffer is its own');
  }
});

test('what breaks the rules of a stream is refused', () => {
  const begin = Uint8Array.of(1, 0);
  const streams = {
    'another version': Uint8Array.of(2, 0),
    'another channel': Uint8Array.of(1, 1),
    'an empty message': joined(begin, Uint8Array.of(0, 0, 0, 0)),
    'a message that is too long': joined(begin, Uint8Array.of(255, 0, 0, 0)),
    'no chunk': joined(begin, framed(encode([1, KIND.ping, 9, 1]))),
    'no message': joined(begin, framed(Uint8Array.of(0xc1))),
    'two frames': joined(begin, chunk(500, 0, payload.subarray(0, 200)), chunk(500, 200, payload.subarray(200), 4)),
    'more than the frame': joined(begin, chunk(100, 0, payload.subarray(0, 200))),
    'a part twice': joined(begin, chunk(500, 0, payload.subarray(0, 400)), chunk(500, 0, payload.subarray(0, 400))),
    'too large a frame': joined(begin, chunk(LIMITS.maxFrameBytes + 1, 0, payload)),
  };
  for (const [name, bytes] of Object.entries(streams)) assert.throws(() => new FrameStream().push(bytes), WireError, name);
});

test('messages are counted by their lengths alone', () => {
  const deframer = new Deframer(1000);
  const bytes = joined(framed(Uint8Array.of(1)), framed(Uint8Array.of(2, 3)));
  assert.deepEqual([...deframer.push(bytes.subarray(0, 7))].map((message) => [...message]), [[1]]);
  assert.equal(deframer.isAtEnd, false);
  assert.deepEqual([...deframer.push(bytes.subarray(7))].map((message) => [...message]), [[2, 3]]);
  assert.equal(deframer.isAtEnd, true);
});
