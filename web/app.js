// @ts-check
/**
 * The page, wired together: who feeds whom is all that is decided here.
 *
 * Fed by: the address (`/?stream=ID` or `/#ID`), people, the server.
 * Feeds: every other module. Watching starts before anything else is set up.
 */
import { createStream, setToken, stopStream } from './api.js';
import { AddDialog, bodyAgain } from './addstream.js';
import { Chart, CHARTS } from './charts.js';
import { pageClockUs } from './clock.js';
import { BufferControls } from './controls.js';
import { Dashboard } from './dashboard.js';
import { byId, setText } from './dom.js';
import { MetricsFeed } from './events.js';
import { rememberWay } from './choice.js';
import { LanePanel } from './lanepanel.js';
import { Player } from './player.js';
import { copyText, exposeHook, Report } from './report.js';
import { notify, setUpTheme } from './shell.js';
import { Stage } from './stage.js';
import { Directory, StreamMenu } from './streams.js';
import { describe, describeError, STARVED_MS } from './text.js';
import { Watcher } from './watch.js';

/** Between two samples of the charts and two updates of the figures, ms. */
const SAMPLE_MS = 1000;

/** How long the second press that stops a stream for others too is waited for, ms. */
const CONFIRM_MS = 4000;

/** The stream that the address asks for. */
function addressedStream() {
  const wanted = new URLSearchParams(window.location.search).get('stream');
  const fragment = window.location.hash.slice(1);
  try {
    return wanted || decodeURIComponent(fragment) || null;
  } catch {
    return fragment;
  }
}

const canvas = /** @type {HTMLCanvasElement} */ (byId('video'));
let lastDrawnMs = 0;
/** The stream as the server described it last, kept when it is gone. @type {import('./api.js').Stream | null} */
let lastKnown = null;

const watcher = new Watcher({
  onState: () => render(),
  onFrame: (frame) => player.push(frame),
  onOpen: () => player.reset(),
  figures: () => report.figures(),
});

const player = new Player(canvas, {
  ageMs: (releasedUs) => watcher.link?.clock.ageMs(releasedUs, pageClockUs()) ?? null,
  onDrawn: (frame) => drawn(frame),
});

const report = new Report(player, watcher);
const directory = new Directory(() => directoryChanged());
if (addressedStream()) watcher.watch(/** @type {string} */ (addressedStream()));
void directory.refresh();

const stage = new Stage({ onAction: act, onChoose: choose, onToken: unlock });
const menu = new StreamMenu({ onChoose: choose, onAdd: () => adding.open() });
const adding = new AddDialog((stream) => {
  directory.put(stream);
  choose(stream.id);
});
const controls = new BufferControls((stream) => directory.put(stream));
const lanePanel = new LanePanel(watcher.choice, chooseWay);
const dashboard = new Dashboard();
const charts = CHARTS.map((spec) => new Chart(spec));
const feed = new MetricsFeed({
  onMetrics: (metrics) => takeMetrics(metrics),
  onEnded: () => void directory.refresh(),
});

/** @param {import('./player.js').DrawnFrame} frame */
function drawn(frame) {
  const starved = performance.now() - lastDrawnMs > STARVED_MS;
  lastDrawnMs = performance.now();
  report.firstFrameMs ??= lastDrawnMs;
  stage.fit(frame.width, frame.height);
  canvas.dispatchEvent(new CustomEvent('frameway:frame', { detail: frame }));
  if (starved) render();
}

/** @param {any} metrics */
function takeMetrics(metrics) {
  const first = report.lastMetrics === null;
  report.setMetrics(metrics);
  if (first) sample();
  const stream = directory.find(watcher.state.streamId);
  if (stream && metrics.state && metrics.state !== stream.state) void directory.refresh();
}

function render() {
  // The watcher may speak before the rest of the page is set up, in the same turn.
  queueMicrotask(() => {
    const { state } = watcher;
    const stream = directory.find(state.streamId);
    const starved = state.phase === 'playing' && performance.now() - lastDrawnMs > STARVED_MS;
    const nothingDrawable = starved && player.counts.undecodable > 0 && player.received.perSecond(performance.now()) > 0;
    const view = describe({
      watch: directory.locked && state.phase === 'idle' ? { ...state, phase: 'locked' } : state,
      stream, listed: directory.listed, anyStreams: directory.streams.some(({ id }) => id !== state.streamId),
      listProblem: directory.problem, starved, fault: nothingDrawable ? player.lastFault : null,
    });
    stage.show(view, { retryAtMs: state.retryAtMs, others: directory.streams.filter(({ id }) => id !== state.streamId) });
    menu.show(directory, state.streamId, lastKnown?.id === state.streamId ? lastKnown?.name : undefined);
    controls.show(stream);
    renderButtons(state, stream);
    directory.setEager(view.tone !== 'live' && state.phase !== 'paused');
    feed.follow(stream ? state.streamId : null);
    lanePanel.show(watcher.link?.lanes.report() ?? [], watcher.choice);
    document.title = stream ? `${stream.name || stream.id} · Frameway` : 'Frameway';
    setText(byId('page-heading'), stream ? `Stream “${stream.name || stream.id}”` : 'Frameway');
  });
}

/**
 * @param {import('./watch.js').WatchState} state
 * @param {import('./api.js').Stream | null} stream
 */
function renderButtons(state, stream) {
  const watching = ['connecting', 'waiting', 'playing', 'reconnecting'].includes(state.phase);
  const pause = /** @type {HTMLButtonElement} */ (byId('pause'));
  pause.disabled = !watching && !['paused', 'closed'].includes(state.phase);
  setText(byId('pause-text'), watching || pause.disabled ? 'Pause' : 'Resume');
  byId('pause-icon').setAttribute('href', watching || pause.disabled ? '#icon-pause' : '#icon-play');
  /** @type {HTMLButtonElement} */ (byId('stop')).disabled = !stream;
  /** @type {HTMLButtonElement} */ (byId('snapshot')).disabled = !stage.hasPicture;
}

function directoryChanged() {
  const { state } = watcher;
  const stream = directory.find(state.streamId);
  const revived = stream && lastKnown?.id === stream.id && lastKnown.created_at !== stream.created_at;
  if (stream) lastKnown = stream;
  if (!state.streamId) {
    const first = addressedStream() ? null : directory.first();
    if (first) watch(first);
  } else if (state.phase === 'gone') comeBack();
  else if (state.phase === 'closed' && revived) watcher.resume();
  else if (!stream && directory.listed && !directory.problem && ['reconnecting', 'closed'].includes(state.phase)) watcher.gone('');
  render();
}

/** The stream is there again, or, after a restart of the server, its twin under another id. */
function comeBack() {
  const { streamId } = watcher.state;
  const twin = lastKnown?.id === streamId ? directory.twinOf(/** @type {any} */ (lastKnown)) : null;
  const back = directory.find(streamId) ?? twin;
  if (back) replaceBy(back);
}

/** Watches what stands in for the present stream; an address that named that one names this one now. @param {import('./api.js').Stream} stream */
function replaceBy(stream) {
  if (addressedStream() && addressedStream() !== stream.id) window.history.replaceState(null, '', addressOf(stream.id));
  watch(stream);
}

/** @param {import('./api.js').Stream} stream */
function watch(stream) {
  if (stream.id !== watcher.state.streamId) {
    for (const chart of charts) chart.clear();
    stage.clear();
    report.setMetrics(null);
  }
  lastKnown = stream;
  watcher.watch(stream.id, stream.whep_url || undefined);
}

/** @param {string} id */
const addressOf = (id) => `/?stream=${encodeURIComponent(id)}`;

/** A person chose a stream: the address says so from now on, and Back leads to the one before. @param {string} id */
function choose(id) {
  const { streamId } = watcher.state;
  if (streamId && !addressedStream()) window.history.replaceState(null, '', addressOf(streamId));
  window.history.pushState(null, '', addressOf(id));
  followAddress();
}

function followAddress() {
  const wanted = addressedStream() ?? directory.first()?.id;
  if (!wanted || (wanted === watcher.state.streamId && watcher.state.phase !== 'gone')) return;
  const stream = directory.find(wanted);
  if (stream) watch(stream);
  else watcher.watch(wanted);
}

/** @param {import('./text.js').Action} action */
function act(action) {
  if (action === 'add') adding.open();
  else if (action === 'again') void startAgain();
  else if (action === 'mjpeg') window.open(directory.find(watcher.state.streamId)?.mjpeg_url, '_blank', 'noopener');
  else {
    void directory.refresh();
    watcher.resume();
  }
}

/** @param {import('./choice.js').Choice} choice */
function chooseWay(choice) {
  rememberWay(choice);
  watcher.choose(choice);
}

/** @param {string} token */
function unlock(token) {
  setToken(token);
  act('retry');
}

function togglePause() {
  if (/** @type {HTMLButtonElement} */ (byId('pause')).disabled) return;
  if (['paused', 'closed'].includes(watcher.state.phase)) watcher.resume();
  else watcher.pause();
}

/** Stops the stream; when others watch it too, only at the second press. */
async function stop() {
  const stream = directory.find(watcher.state.streamId);
  const button = byId('stop');
  if (!stream) return;
  const others = (report.metrics()?.viewers?.length ?? stream.viewers ?? 1) - 1;
  if (others > 0 && button.dataset.armed !== 'yes') {
    button.dataset.armed = 'yes';
    setText(byId('stop-text'), `Stop for ${others + 1} viewers?`);
    setTimeout(disarmStop, CONFIRM_MS);
    return;
  }
  disarmStop();
  try {
    await stopStream(stream.id);
    watcher.gone('');
    directory.remove(stream.id);
    notify(`“${stream.name || stream.id}” was stopped.`, { label: 'Start it again', act: () => void startAgain() });
  } catch (error) {
    notify(`The stream was not stopped. ${describeError(error)}`);
  }
}

function disarmStop() {
  delete byId('stop').dataset.armed;
  setText(byId('stop-text'), 'Stop');
}

/** Makes the stream anew from what it was made from; what is left of the old one goes first. */
async function startAgain() {
  if (!lastKnown) return;
  const before = lastKnown;
  try {
    if (directory.find(before.id)) await stopStream(before.id);
    const stream = await createStream(bodyAgain(before));
    directory.put(stream);
    replaceBy(stream);
  } catch (error) {
    notify(`The stream could not be started again. ${describeError(error)}`);
  }
}

async function copyStats() {
  const copied = await copyText(JSON.stringify(report.all(directory.find(watcher.state.streamId)), null, 2));
  if (copied) notify('Copied all figures as JSON.');
}

/** Once a second: one sample for the charts, new figures, and a look at whether frames still come. */
function sample() {
  const page = report.page();
  const stream = directory.find(page.stream);
  const metrics = stream ? report.metrics() : null;
  const playing = page.phase === 'playing';
  const values = {
    fill: metrics?.buffer?.fill ?? null,
    target: metrics?.buffer?.size ?? null,
    drawn_fps: playing ? page.fps.drawn : null,
    delivered_fps: metrics?.performance?.delivered_fps ?? null,
    rtt_ms: playing ? page.rtt_ms : null,
    bitrate_bps: playing ? page.bitrate_bps : null,
  };
  for (const chart of charts) chart.push({ atMs: performance.now(), values });
  dashboard.show({ page, metrics, viewer: report.viewer(), stream });
  render();
}

/** @param {KeyboardEvent} event */
function shortcut(event) {
  const { target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (target instanceof Element && target.closest('input, select, textarea, button, a, summary')) return;
  if (event.key === ' ') togglePause();
  else if (event.key.toLowerCase() === 'f' && Stage.canFill()) stage.toggleFullscreen();
  else return;
  event.preventDefault();
}

function listen() {
  byId('pause').addEventListener('click', togglePause);
  byId('stop').addEventListener('click', () => void stop());
  byId('copy').addEventListener('click', () => void copyStats());
  byId('snapshot').addEventListener('click', () => stage.saveSnapshot(`${lastKnown?.name ?? 'frame'}-${player.last?.source_id ?? 0}`));
  byId('fullscreen').addEventListener('click', () => stage.toggleFullscreen());
  byId('fullscreen').hidden = !Stage.canFill();
  canvas.addEventListener('dblclick', () => Stage.canFill() && stage.toggleFullscreen());
  // By hand, for a fragment in the address names a stream.
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault();
    byId('pause').focus();
  });
  window.addEventListener('keydown', shortcut);
  window.addEventListener('popstate', followAddress);
  window.addEventListener('hashchange', followAddress);
  window.addEventListener('pagehide', () => watcher.hangUp());
  window.addEventListener('pageshow', (event) => event.persisted && watcher.resume());
  window.addEventListener('online', () => watcher.state.phase === 'reconnecting' && watcher.resume());
}

setUpTheme();
listen();
byId('charts').append(...charts.map((chart) => chart.element));
exposeHook(report, () => directory.find(watcher.state.streamId));
setInterval(sample, SAMPLE_MS);
render();
