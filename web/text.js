// @ts-check
/**
 * What the page says: states and problems in words, each with what to do next.
 *
 * Fed by: the phase of watch.js and the server's account of the stream.
 * Feeds: stage.js, which shows it. Pure, so the tests can read every sentence.
 */

/**
 * @typedef {'retry' | 'resume' | 'again' | 'add' | 'token' | 'mjpeg'} Action `mjpeg`: watch without WebRTC
 *
 * @typedef {object} View
 * @property {string} label one or two words, for the status pill
 * @property {'live' | 'busy' | 'idle' | 'bad'} tone
 * @property {string} [title] heading over the picture; none: the picture speaks for itself
 * @property {string} [detail]
 * @property {Action[]} actions
 * @property {boolean} offersOthers whether to list the other streams
 *
 * @typedef {object} Situation
 * @property {import('./watch.js').WatchState} watch
 * @property {import('./api.js').Stream | null} stream as the server lists it; null: it does not
 * @property {boolean} listed whether the server's list has been read at all
 * @property {boolean} anyStreams
 * @property {string | null} listProblem why the list cannot be read
 * @property {boolean} starved no frame for a while although connected
 * @property {string | null} fault why frames that arrived cannot be drawn, when none can
 */

/** No frame for this long while connected counts as starved, ms. */
export const STARVED_MS = 2500;

/**
 * @param {Situation} situation
 * @returns {View}
 */
export function describe(situation) {
  const { watch, stream } = situation;
  switch (watch.phase) {
    case 'idle': return idle(situation);
    case 'unsupported': return view('bad', 'No way', 'Frames cannot come this way', `${watch.text} Choose another way under “Connection”, or Auto, which tries them all.`, withMjpeg(['retry'], stream));
    case 'locked': return view('bad', 'Locked', 'This server wants an access token', 'Ask whoever runs it for the token in its --token-file. It is kept in this tab only.', ['token']);
    case 'paused': return view('idle', 'Paused', 'Paused', 'The connection is closed, so nothing is transferred.', ['resume']);
    case 'gone': return gone(situation);
    case 'closed': return closed(situation);
    default: break;
  }
  if (stream?.state === 'failed' && (watch.phase !== 'playing' || situation.starved)) return failed(stream);
  if (watch.phase === 'connecting' && watch.failures === 0) return view('busy', 'Connecting', 'Connecting…');
  if (watch.phase === 'connecting') return view('busy', 'Retrying', 'Connecting again…', reason(situation));
  if (watch.phase === 'reconnecting') return view('busy', 'Retrying', problemTitle(watch.kind), reason(situation), watch.kind === 'no-path' ? withMjpeg(['retry'], stream) : ['retry'], watch.kind === 'refused');
  return connected(situation);
}

/**
 * @param {View['tone']} tone
 * @param {string} label
 * @param {string} [title]
 * @param {string} [detail]
 * @param {Action[]} [actions]
 * @param {boolean} [offersOthers]
 * @returns {View}
 */
function view(tone, label, title, detail, actions = [], offersOthers = false) {
  return { tone, label, title, detail, actions, offersOthers };
}

/**
 * Where no frames come by WebRTC, the same stream still comes as MJPEG, over plain HTTP.
 * @param {Action[]} actions
 * @param {import('./api.js').Stream | null} stream
 * @returns {Action[]}
 */
const withMjpeg = (actions, stream) => (stream?.mjpeg_url ? [...actions, 'mjpeg'] : actions);

/** @param {Situation} situation */
function idle({ listed, anyStreams, listProblem }) {
  if (listProblem) return view('bad', 'Unreachable', 'The server cannot be reached', `${listProblem} The page keeps asking.`, ['retry']);
  if (!listed) return view('busy', 'Loading', 'Looking for streams…');
  if (!anyStreams) return view('idle', 'No streams', 'No streams yet', 'Add a video by its path, address or CID, and it plays here a moment later.', ['add']);
  return view('idle', 'Ready', 'Choose a stream', undefined, ['add'], true);
}

/** @param {Situation} situation */
function gone({ watch, anyStreams }) {
  const more = anyStreams ? 'Choose another one, or wait: if it comes back, it plays by itself.' : 'If it comes back, it plays by itself.';
  if (watch.watched) {
    const said = watch.text && !/^stream (was )?(stopped|deleted)/i.test(watch.text) ? `The server said: “${watch.text}”. ` : '';
    return view('idle', 'Stopped', 'The stream was stopped', `${said}${more}`, ['again', 'add'], true);
  }
  return view('bad', 'Not found', `There is no stream “${watch.streamId}”`, `It may have been stopped, or the link is mistyped. ${more}`, ['add'], true);
}

/** @param {import('./api.js').Stream} stream */
function failed(stream) {
  const error = stream.error || 'The server gave no reason.';
  return view('bad', 'Failed', 'The stream has failed', `${error} The source was ${stream.uri}. Mend the source and start it again, or choose another.`, ['again', 'add'], true);
}

const ended = () => view('idle', 'Ended', 'The video has ended', 'Every frame was played; it does not loop.', ['again'], true);

/** @param {Situation} situation */
function closed({ watch, stream }) {
  if (stream?.state === 'failed') return failed(stream);
  if (stream?.state === 'ended' || watch.kind === 'finished') return ended();
  const said = watch.text ? `It said: “${watch.text}”. ` : '';
  return view('idle', 'Closed', 'The server closed this view', `${said}The stream itself goes on.`, ['resume'], true);
}

/** @param {Situation} situation */
function connected({ watch, stream, starved, fault }) {
  if (fault) return view('bad', 'No picture', 'Frames arrive but cannot be drawn', `${capital(fault)}.`, ['retry']);
  if (stream?.state === 'ended' && (starved || watch.phase === 'waiting')) return ended();
  if (watch.phase === 'waiting') {
    return view('busy', 'Buffering', watch.watched ? 'Waiting for frames…' : 'Waiting for the first frame…', stream?.state === 'starting' ? 'The server is opening the source and filling the buffer.' : undefined);
  }
  if (starved && stream?.state === 'paused') return view('idle', 'Paused', 'The stream is paused at the server');
  if (starved) return view('busy', 'Stalled', 'No new frames', 'Connected, but the source delivers nothing right now. The last frame stays until it does.');
  return view('live', 'Live');
}

/** @param {string | null} kind */
function problemTitle(kind) {
  if (kind === 'unreachable') return 'The server cannot be reached';
  if (kind === 'no-path') return 'No network path for the video';
  if (kind === 'refused') return 'The server refused the connection';
  return 'The connection was lost';
}

/** @param {Situation} situation */
function reason({ watch }) {
  if (watch.kind !== 'no-path') return watch.text ?? undefined;
  return `${watch.text} A firewall or VPN may block UDP; or the server announces an address that is not reachable from here (its --public-ip).`;
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * The buffer's health in plain words.
 * @type {Record<string, {label: string, tone: 'good' | 'warn' | 'bad' | 'info', words: string}>}
 */
const HEALTH = {
  healthy: { label: 'Healthy', tone: 'good', words: 'Enough frames wait ahead of playback to ride out a slow moment of the source.' },
  full: { label: 'Full', tone: 'info', words: 'The buffer is at its target; the source is ahead and waits.' },
  low: { label: 'Low', tone: 'warn', words: 'Fewer frames wait than the prefetch threshold asks for; a stall of the source would soon show.' },
  empty: { label: 'Empty', tone: 'bad', words: 'No frame waits: the last one is repeated until the source catches up.' },
};

/**
 * @param {string | undefined} health as in the metrics
 * @param {string | undefined} state the stream's, as in the metrics
 */
export function describeHealth(health, state) {
  if (state === 'ended' && health === 'empty') return { label: 'Ended', tone: 'info', words: 'The video has ended: all its frames have left the buffer.' };
  return HEALTH[health ?? ''] ?? { label: 'Unknown', tone: 'info', words: 'No figures from the server yet.' };
}

/**
 * An error of the server, to stand next to what was asked for.
 * @param {unknown} error
 */
export function describeError(error) {
  const problem = /** @type {{problem?: import('./api.js').Problem}} */ (error)?.problem;
  const message = error instanceof Error ? error.message : String(error);
  const text = capital(problem?.field ? message.replace(`${problem.field}: `, '') : message);
  const range = problem?.range;
  return range && !text.includes(range) ? `${text.replace(/[.;]?$/, '')}; allowed: ${range}.` : text;
}
