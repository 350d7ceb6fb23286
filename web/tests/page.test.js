// The parts of the page that need no browser: clock, rates, retry times, events, words, request bodies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyAgain, bodyOf } from '../addstream.js';
import { MAX_DELAY_MS, MIN_DELAY_MS, retryDelayMs } from '../backoff.js';
import { niceCeiling, runsOf } from '../charts.js';
import { ServerClock } from '../clock.js';
import { EventParser } from '../events.js';
import { bitrate, milliseconds, size, timestamp, UNKNOWN } from '../format.js';
import { Rate, Spread } from '../meter.js';
import { offering } from '../sdp.js';
import { describe, describeError, describeHealth } from '../text.js';
import { parseIceServers } from '../whep.js';

test('the clock offset is that of the least delayed exchange', () => {
  const clock = new ServerClock();
  clock.addPong(1_000_000, 9_005_000, 1_030_000); // 30 ms, lopsided
  clock.addPong(2_000_000, 10_001_000, 2_002_000); // 2 ms: offset 8 s
  clock.addPong(3_000_000, 11_019_000, 3_020_000);
  assert.equal(clock.offsetUs, 8_000_000);
  assert.equal(clock.ageMs(10_990_000, 3_000_000), 10);
  assert.equal(clock.ageMs(11_500_000, 3_000_000), 0);
});

test('no age before the first pong', () => assert.equal(new ServerClock().ageMs(1, 2), null));

test('rates and percentiles forget what is old', () => {
  const rate = new Rate(2000);
  for (let ms = 0; ms <= 3000; ms += 100) rate.add(ms);
  assert.ok(Math.abs(rate.perSecond(3000) - 10) <= 0.5);
  assert.equal(rate.perSecond(9000), 0);
  const spread = new Spread(1000);
  for (let value = 1; value <= 100; value += 1) spread.add(0, value);
  assert.deepEqual(spread.at(500, [0.5, 0.95]), [50, 95]);
  assert.deepEqual(spread.at(5000, [0.5]), [null]);
});

test('retries are spread out and bounded', () => {
  for (let failures = 0; failures < 40; failures += 1) {
    assert.equal(retryDelayMs(failures, () => 0), MIN_DELAY_MS);
    assert.ok(retryDelayMs(failures, () => 1) <= MAX_DELAY_MS);
  }
  assert.ok(retryDelayMs(0, () => 1) <= 1000);
});

test('events are read across any split', () => {
  const text = ': hi\n\nevent: metrics\ndata: {"a":1}\n\nevent: metrics\r\ndata: {"a":\r\ndata: 2}\r\n\r\nevent: ended\ndata: {}\n\n';
  for (const step of [1, 2, 7, 1000]) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < text.length; at += step) events.push(...parser.push(text.slice(at, at + step)));
    assert.deepEqual(events.map(({ event, data }) => [event, data.replace(/\s/g, '')]), [['metrics', '{"a":1}'], ['metrics', '{"a":2}'], ['ended', '{}']], `step ${step}`);
  }
});

test('charts show gaps as gaps', () => {
  const samples = [0, 1000, 2000, 9000, 10_000].map((atMs, index) => ({ atMs, values: { fill: index === 1 ? null : index } }));
  assert.deepEqual(runsOf(samples, 'fill', 10_000, 10).map((run) => run.length), [1, 1, 2]);
  assert.deepEqual([niceCeiling(0), niceCeiling(29.7), niceCeiling(30), niceCeiling(7_100_000)], [1, 30, 30, 8_000_000]);
});

test('figures read well, and unknown is not zero', () => {
  assert.deepEqual([milliseconds(3.14), milliseconds(42.4), milliseconds(null)], ['3.1 ms', '42 ms', UNKNOWN]);
  assert.deepEqual([bitrate(21_400_000), bitrate(800_000), bitrate(undefined)], ['21.4 Mbit/s', '800 kbit/s', UNKNOWN]);
  assert.deepEqual([size(0), size(900), size(48_000_000)], ['0 B', '900 B', '45.8 MiB']);
  assert.deepEqual([timestamp(14_700_000), timestamp(3_600_000_000)], ['00:14.700', '1:00:00.000']);
});

const form = (/** @type {Record<string, string>} */ values) => {
  const data = new FormData();
  for (const [name, value] of Object.entries(values)) data.set(name, value);
  return data;
};

test('a CID is sent as one, anything else as a URI, empty numbers not at all', () => {
  const cid = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi';
  assert.deepEqual(bodyOf(form({ uri: ` ${cid} `, loop: 'on' })), { cid, quality: 'auto', loop: true });
  assert.deepEqual(bodyOf(form({ uri: 'test:?fps=30', buffer_size: '60', width: '', name: 'Bars', quality: 'low' })), { uri: 'test:?fps=30', buffer_size: 60, name: 'Bars', quality: 'low', loop: false });
});

test('a stream is made again from what it was made from', () => {
  const stream = /** @type {any} */ ({ id: 'bars', uri: 'test:', name: 'Bars', quality: 'low', buffer_size: 9, prefetch_threshold: 0.3, width: null, framerate: 10, looping: true, viewers: 2 });
  assert.deepEqual(bodyAgain(stream), { uri: 'test:', name: 'Bars', quality: 'low', buffer_size: 9, prefetch_threshold: 0.3, framerate: 10, loop: true });
});

/** @param {object} watch @param {object} [more] */
const situation = (watch, more = {}) => /** @type {any} */ ({
  watch: { phase: 'idle', streamId: 'demo', kind: null, text: null, failures: 0, retryAtMs: null, watched: false, ...watch },
  stream: null, listed: true, anyStreams: true, listProblem: null, starved: false, fault: null, ...more,
});

test('each state says what is wrong and what to do', () => {
  assert.equal(describe(situation({ phase: 'playing' })).title, undefined);
  const noPath = describe(situation({ phase: 'reconnecting', kind: 'no-path', text: 'No UDP.', failures: 1 }));
  assert.match(noPath.detail ?? '', /firewall/);
  assert.deepEqual(noPath.actions, ['retry']);
  assert.deepEqual(describe(situation({ phase: 'reconnecting', kind: 'no-path' }, { stream: { mjpeg_url: '/streams/demo.mjpg' } })).actions, ['retry', 'mjpeg']);
  assert.match(describe(situation({ phase: 'gone', watched: true })).title ?? '', /was stopped/);
  assert.match(describe(situation({ phase: 'gone' })).title ?? '', /no stream “demo”/);
  const failed = describe(situation({ phase: 'waiting' }, { stream: { state: 'failed', error: 'No such file.', uri: 'x.mp4' } }));
  assert.match(failed.detail ?? '', /No such file\. The source was x\.mp4/);
  assert.match(describe(situation({ phase: 'playing' }, { starved: true, stream: { state: 'ended' } })).title ?? '', /ended/);
  assert.match(describe(situation({ phase: 'closed', text: 'bye' })).detail ?? '', /“bye”/);
  assert.match(describe(situation({ phase: 'closed', kind: 'finished' })).title ?? '', /ended/);
  assert.match(describe(situation({ phase: 'closed' }, { stream: { state: 'failed', error: 'Gone.', uri: 'x' } })).title ?? '', /failed/);
  assert.match(describe(situation({ phase: 'idle' }, { listProblem: 'No answer came.' })).detail ?? '', /keeps asking/);
});

test('a refused value names its range', () => {
  const error = Object.assign(new Error('buffer_size: 500 is out of range'), { problem: { field: 'buffer_size', range: '1–120' } });
  assert.equal(describeError(error), '500 is out of range; allowed: 1–120.');
});

test('ICE servers are read from Link headers', () => {
  const header = '<turn:turn.example.org?transport=tcp>; rel="ice-server"; username="u"; credential="c"; credential-type="password", <stun:stun.example.org>; rel="ice-server", </x>; rel="next"';
  assert.deepEqual(parseIceServers(header), [{ urls: 'turn:turn.example.org?transport=tcp', username: 'u', credential: 'c' }, { urls: 'stun:stun.example.org' }]);
});

test('an offer of Chromium says what datagrams it takes, for all sections; others say nothing', () => {
  const sdp = 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n';
  assert.equal(offering(sdp, true), sdp.replace('t=0 0\r\n', 't=0 0\r\na=x-max-datagram-size:12000\r\n'));
  assert.equal(offering(sdp, false), sdp);
});

test('an empty buffer is a fault only while there is more to come', () => {
  assert.equal(describeHealth('empty', 'playing').tone, 'bad');
  assert.equal(describeHealth('empty', 'ended').label, 'Ended');
  assert.equal(describeHealth('full', 'ended').label, 'Full');
  assert.equal(describeHealth(undefined, undefined).label, 'Unknown');
});
