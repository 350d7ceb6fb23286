// What goes on the wire comes back, and what no honest peer would send is refused, not trusted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, MAX_DEPTH, WireError } from '../wire.js';

const bytes = (/** @type {number[]} */ ...list) => Uint8Array.from(list);

test('every kind of value comes back as it was', () => {
  const values = [
    null, true, false, 0, 127, 128, 255, 256, 65_535, 65_536, 0xffffffff, 0x100000000, Number.MAX_SAFE_INTEGER,
    -1, -32, -33, -128, -129, -32_769, -0x80000001, Number.MIN_SAFE_INTEGER, 0.5, -1.25, '', 'Frameway', 'ü漢🎞', 'x'.repeat(40), 'y'.repeat(70_000),
  ];
  for (const value of values) assert.deepEqual(decode(encode(value)), value);
  const list = Array.from({ length: 20 }, (_, index) => [index, `item ${index}`]);
  assert.deepEqual(decode(encode(list)), list);
  assert.deepEqual(decode(encode(bytes(1, 2, 3))), bytes(1, 2, 3));
  assert.deepEqual(decode(encode({ drawn: 3, age_p50_ms: 1.5 })), new Map([['drawn', 3], ['age_p50_ms', 1.5]]));
});

test('integers that a number cannot hold stay exact', () => {
  for (const value of [2n ** 64n - 1n, 2n ** 53n, -(2n ** 63n)]) assert.equal(decode(encode(value)), value);
});

test('whole numbers take the shortest form, as the specification asks', () => {
  const lengths = [[0, 1], [127, 1], [-32, 1], [128, 2], [255, 2], [256, 3], [65_536, 5], [0x100000000, 9]];
  for (const [value, length] of lengths) assert.equal(encode(value).length, length, String(value));
});

test('signed and float forms of other encoders are read', () => {
  assert.equal(decode(bytes(0xd0, 0xff)), -1);
  assert.equal(decode(bytes(0xd1, 0xff, 0x00)), -256);
  assert.equal(decode(bytes(0xd2, 0x80, 0, 0, 0)), -2_147_483_648);
  assert.equal(decode(bytes(0xca, 0x3f, 0x80, 0, 0)), 1);
});

test('a payload is a view into the message, not a copy', () => {
  const message = encode([1, bytes(9, 8, 7)]);
  const value = /** @type {any[]} */ (decode(message));
  assert.equal(value[1].buffer, message.buffer);
});

test('every message cut short is refused', () => {
  const whole = encode([1, 1, 7, 'text', bytes(1, 2, 3), { a: 1.5 }, [2n ** 60n]]);
  for (let length = 0; length < whole.length; length += 1) assert.throws(() => decode(whole.subarray(0, length)), WireError);
});

test('lengths that cannot be there, deep nesting, strange types and leftovers are refused', () => {
  const refused = [
    bytes(0xdd, 0xff, 0xff, 0xff, 0xff), bytes(0xdf, 0xff, 0xff, 0xff, 0xff), bytes(0xc6, 0xff, 0xff, 0xff, 0xff),
    bytes(0xdb, 0x7f, 0xff, 0xff, 0xff), bytes(...Array(MAX_DEPTH + 1).fill(0x91), 0), bytes(0xc1), bytes(0xd4, 1, 1),
    bytes(0xc7, 1, 1, 1), bytes(1, 1), bytes(0xa1, 0xff), bytes(0x81, 1, 1), bytes(),
  ];
  for (const message of refused) assert.throws(() => decode(message), WireError);
});

test('no noise makes it throw anything but a WireError', () => {
  let seed = 1;
  const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  for (let round = 0; round < 20_000; round += 1) {
    const noise = Uint8Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256));
    try {
      decode(noise);
    } catch (error) {
      assert.ok(error instanceof WireError, `${error} for ${noise}`);
    }
  }
});
