// @ts-check
/**
 * Several streams on one page: `/?streams=a,b,c`, or `/?streams=all`.
 *
 * Fed by: the address, the server's list. Feeds: a tile.js for each stream.
 */
import { h, byId, setText } from './dom.js';
import { setUpTheme } from './shell.js';
import { Directory } from './streams.js';
import { Tile } from './tile.js';

/** Each decodes on this machine: more are not shown. */
const MAX_TILES = 24;

/** Between two updates of the figures, ms. */
const SAMPLE_MS = 1000;

const ALL = 'all';

/** The streams that the address asks for; null: all of them. */
function addressed() {
  const wanted = new URLSearchParams(window.location.search).get('streams') ?? ALL;
  const ids = [...new Set(wanted.split(',').map((id) => id.trim()).filter(Boolean))];
  return ids.length === 0 || ids.includes(ALL) ? null : ids;
}

/** @type {Map<string, Tile>} in the order they are shown */
const tiles = new Map();
const wanted = addressed();
const directory = new Directory(() => arrange());

function arrange() {
  const ids = wanted ?? directory.streams.map(({ id }) => id);
  const shown = directory.listed ? ids.slice(0, MAX_TILES) : [];
  // Of all, one that is gone leaves; one that was named stays and says so.
  for (const [id, tile] of tiles) {
    if (shown.includes(id)) continue;
    tile.stop();
    tiles.delete(id);
  }
  for (const id of shown) if (!tiles.has(id)) add(directory.find(id) ?? { id });
  for (const tile of tiles.values()) follow(tile);
  say(ids.length);
}

/** @param {import('./api.js').Stream | {id: string}} stream */
function add(stream) {
  const tile = new Tile(stream);
  tiles.set(tile.id, tile);
  byId('wall').append(tile.element);
  tile.start();
}

/** A stream that was gone and is back plays again. @param {Tile} tile */
function follow(tile) {
  const stream = directory.find(tile.id);
  if (stream && tile.watcher.state.phase === 'gone') tile.watcher.watch(tile.id, stream.whep_url);
  tile.show(stream);
}

/** @param {number} count streams asked for */
function say(count) {
  const words = byId('wall-words');
  const text = problem() ?? (count > MAX_TILES ? `${MAX_TILES} of ${count} streams are shown; name those you want: /?streams=a,b,c` : null);
  words.hidden = text === null;
  setText(words, text ?? '');
  if (directory.locked) words.append(' ', h('a', { href: '/', text: 'Unlock' }));
}

/** @returns {string | null} */
function problem() {
  if (directory.locked) return 'This server wants an access token.';
  if (directory.problem) return `The server cannot be reached. ${directory.problem}`;
  if (directory.listed && !wanted && directory.streams.length === 0) return 'No streams yet. Add one on the start page.';
  return null;
}

function sample() {
  for (const tile of tiles.values()) tile.show(directory.find(tile.id));
  const live = [...tiles.values()].filter(({ watcher }) => watcher.state.phase === 'playing').length;
  setText(byId('pill-text'), directory.listed ? `${live} of ${tiles.size} live` : 'Loading');
  byId('pill').className = `pill ${tiles.size > 0 && live === tiles.size ? 'live' : 'busy'}`;
}

setUpTheme();
window.addEventListener('pagehide', () => { for (const tile of tiles.values()) tile.watcher.hangUp(); });
window.addEventListener('pageshow', (event) => { if (event.persisted) for (const tile of tiles.values()) tile.watcher.resume(); });
Object.assign(window, { frameway: { stats: () => [...tiles.values()].map((tile) => tile.report()) } });
setInterval(sample, SAMPLE_MS);
void directory.refresh();
