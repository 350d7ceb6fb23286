// @ts-check
/**
 * The server's HTTP interface: streams, their settings, their metrics.
 *
 * Fed by: streams.js, controls.js, addstream.js, events.js and whep.js, which ask.
 * Feeds: them, with the answer, or with an ApiError that says what went wrong in the server's words.
 */

/**
 * @typedef {object} Stream one entry of GET /api/v1/streams
 * @property {string} id
 * @property {string} name
 * @property {string} uri
 * @property {'starting' | 'playing' | 'paused' | 'ended' | 'failed'} state
 * @property {string} [error] why it failed
 * @property {{width: number, height: number, frame_rate: number, codec: string, container: string,
 *   frame_count?: number | null, duration_seconds?: number | null} | null} [video]
 * @property {Quality} quality
 * @property {number | null} [kbps] the most that each viewer at auto gets, when limited
 * @property {number} buffer_size frames, 1–120
 * @property {number} prefetch_threshold 0.1–0.9
 * @property {number | null} [width] of the rendition, when it is not the source's
 * @property {number | null} [height]
 * @property {number | null} [framerate] the most frames a second, when limited
 * @property {boolean} [use_progressive_loading]
 * @property {RTCIceServer[]} [ice_servers]
 * @property {boolean} [benchmark]
 * @property {boolean} [looping]
 * @property {string} whep_url
 * @property {string} [mjpeg_url]
 * @property {string} [created_at]
 * @property {number} [viewers]
 *
 * @typedef {'low' | 'medium' | 'high' | 'auto'} Quality
 * @typedef {{type?: string, title?: string, status?: number, detail?: string, field?: string, range?: string}} Problem RFC 9457
 */

const BASE = '/api/v1/streams';
const TOKEN_KEY = 'frameway-token';

/** Longest wait for an answer, ms. Opening a stream may have to find its source first. */
const TIMEOUT_MS = 15_000;

/** The server could not be asked (`status` 0) or refused. */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status; 0 when no answer came
   * @param {Problem} problem
   */
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.name = 'ApiError';
    this.status = status;
    this.problem = problem;
  }
}

/** Keeps the access token for this tab only. @param {string} token */
export function setToken(token) {
  sessionStorage.setItem(TOKEN_KEY, token);
}

/** The access token of this tab, where one was given. */
export function token() {
  return sessionStorage.getItem(TOKEN_KEY);
}

/**
 * `fetch` with the access token, a time limit and one kind of error.
 * @param {string} url
 * @param {RequestInit & {timeoutMs?: number}} [options] `timeoutMs` 0: no limit
 * @returns {Promise<Response>} only when its status is 2xx
 * @throws {ApiError | DOMException} DOMException `AbortError` when `options.signal` was aborted
 */
export async function request(url, options = {}) {
  const { timeoutMs = TIMEOUT_MS, signal, ...init } = options;
  const headers = new Headers(init.headers);
  const bearer = token();
  if (bearer) headers.set('Authorization', `Bearer ${bearer}`);
  const abort = new AbortController();
  const giveUp = () => abort.abort();
  const timer = timeoutMs > 0 ? setTimeout(giveUp, timeoutMs) : 0;
  signal?.addEventListener('abort', giveUp);
  if (signal?.aborted) giveUp();
  let response;
  try {
    response = await fetch(url, { ...init, headers, signal: abort.signal, cache: 'no-store' });
  } catch (error) {
    if (signal?.aborted) throw error;
    const detail = abort.signal.aborted
      ? `The server did not answer within ${timeoutMs / 1000} s.`
      : 'No answer came. Is stream-server still running, at this address?';
    throw new ApiError(0, { title: 'Server unreachable', detail });
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw new ApiError(response.status, await readProblem(response));
  return response;
}

/**
 * @param {Response} response
 * @returns {Promise<Problem>}
 */
async function readProblem(response) {
  const title = response.statusText || `HTTP ${response.status}`;
  try {
    const text = await response.text();
    if (!(response.headers.get('content-type') ?? '').includes('json')) return { title, detail: text.slice(0, 300).trim() };
    const problem = JSON.parse(text);
    return typeof problem === 'object' && problem !== null ? problem : { title };
  } catch {
    return { title };
  }
}

/** @param {string} id */
const streamPath = (id) => `${BASE}/${encodeURIComponent(id)}`;

/**
 * @param {string} method
 * @param {unknown} body
 */
const json = (method, body) => ({ method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

/** @returns {Promise<Stream[]>} */
export async function listStreams() {
  const body = await (await request(BASE)).json();
  return Array.isArray(body?.streams) ? body.streams : [];
}

/**
 * @param {object} body as in POST /api/v1/streams
 * @returns {Promise<Stream>}
 */
export async function createStream(body) {
  return (await request(BASE, json('POST', body))).json();
}

/**
 * @param {string} id
 * @param {{buffer_size?: number, prefetch_threshold?: number, quality?: Quality}} changes
 * @returns {Promise<Stream>}
 */
export async function changeStream(id, changes) {
  return (await request(streamPath(id), json('PATCH', changes))).json();
}

/** Stops the stream, for everyone. @param {string} id */
export async function stopStream(id) {
  await request(streamPath(id), { method: 'DELETE' });
}

/**
 * The body of server-sent events, which lasts until the stream ends or `signal` is aborted.
 * @param {string} id
 * @param {AbortSignal} signal
 */
export async function openEvents(id, signal) {
  return request(`${streamPath(id)}/events`, { headers: { Accept: 'text/event-stream' }, signal, timeoutMs: 0 });
}
