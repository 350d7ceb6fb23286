// The same messages as the other end's codec makes: its vectors, read and written here.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { KIND, parseMessage } from '../protocol.js';
import { decode, encode, WireError } from '../wire.js';

const FILE = new URL('../../crates/datachannel-transport/tests/vectors/messages.json', import.meta.url);
const absent = existsSync(FILE) ? false : `no ${FILE.pathname}`;
const vectors = absent ? { messages: [], refused: [] } : JSON.parse(readFileSync(FILE, 'utf8'));
const unhex = (/** @type {string} */ hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** Names as docs/wire.md has them, for the kinds that this page reads. @type {Record<string, string[]>} */
const READ = {
  hello: ['max_message_bytes'], chunk: ['sequence', 'attempt', 'frame_bytes', 'offset'], eof: ['frames', 'bytes', 'hash'],
  ping: ['t0_us'], pong: ['t0_us', 't1_us'], goodbye: ['code', 'text'],
};
const camel = (/** @type {string} */ name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

test('every message of the other codec is read as it was meant', { skip: absent }, () => {
  for (const { name, hex, epoch, fields } of vectors.messages) {
    const message = /** @type {Record<string, any>} */ (parseMessage(unhex(hex)));
    assert.equal(message.epoch, epoch, name);
    for (const field of READ[fields.kind] ?? []) assert.equal(String(message[camel(field)]), String(fields[field]), `${name}: ${field}`);
    if (!fields.meta) continue;
    for (const field of ['source_id', 'pts_us', 'width', 'height', 'quality', 'keyframe', 'given_up', 'released_us']) assert.equal(message.meta[camel(field)], fields.meta[field], `${name}: ${field}`);
  }
});

test('encoded again, they are the same bytes', { skip: absent }, () => {
  for (const { name, hex, fields } of vectors.messages) {
    // Its figures are always floats; here whole numbers are integers, which the wire allows.
    if (fields.kind === 'client_stats') continue;
    assert.deepEqual(encode(decode(unhex(hex))), unhex(hex), name);
  }
});

test('what the other codec refuses is refused here', { skip: absent }, () => {
  for (const { name, hex } of vectors.refused) {
    // Kinds that only a receiver sends are not looked into.
    const bytes = unhex(hex);
    if (bytes[2] === KIND.frameError) continue;
    assert.throws(() => parseMessage(bytes), WireError, name);
  }
});
