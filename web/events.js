// @ts-check
/**
 * The stream's metrics, once a second, by server-sent events.
 *
 * Fed by: GET /api/v1/streams/{id}/events. Feeds: dashboard.js and the charts.
 *
 * Read with fetch and not with EventSource, because EventSource hides the HTTP status (a stream
 * that is gone looks like a network fault) and cannot carry an access token.
 */
import { ApiError, openEvents } from './api.js';
import { retryDelayMs } from './backoff.js';

/** Longest event taken, in characters; what grows beyond is not an event of ours. */
const MAX_EVENT_CHARS = 1_000_000;

/**
 * Splits a text stream into events (HTML standard, "Interpreting an event stream").
 */
export class EventParser {
  constructor() {
    this.rest = '';
  }

  /**
   * @param {string} text the next piece
   * @returns {{event: string, data: string}[]} the events it completed
   */
  push(text) {
    const blocks = (this.rest + text).replaceAll('\r\n', '\n').split('\n\n');
    this.rest = blocks.pop() ?? '';
    if (this.rest.length > MAX_EVENT_CHARS) this.rest = '';
    return blocks.map(parseBlock).filter((event) => event.data !== '');
  }
}

/** @param {string} block */
function parseBlock(block) {
  let event = 'message';
  /** @type {string[]} */
  const data = [];
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
  }
  return { event, data: data.join('\n') };
}

export class MetricsFeed {
  /**
   * @param {{onMetrics: (metrics: any) => void, onEnded: () => void}} handlers
   */
  constructor(handlers) {
    this.handlers = handlers;
    /** @type {AbortController | null} */
    this.abort = null;
    /** @type {string | null} */
    this.streamId = null;
  }

  /** Follows one stream, and no other. @param {string | null} streamId null: none */
  follow(streamId) {
    if (streamId === this.streamId) return;
    this.abort?.abort();
    this.streamId = streamId;
    if (streamId === null) return;
    this.abort = new AbortController();
    void this.#run(streamId, this.abort.signal);
  }

  /**
   * @param {string} streamId
   * @param {AbortSignal} signal
   */
  async #run(streamId, signal) {
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        const response = await openEvents(streamId, signal);
        failures = 0;
        await this.#read(response, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && error.status === 404) return this.#gone(streamId);
      }
      await new Promise((resolve) => setTimeout(resolve, retryDelayMs(failures)));
    }
  }

  /** @param {string} streamId */
  #gone(streamId) {
    if (this.streamId === streamId) this.streamId = null;
    this.handlers.onEnded();
  }

  /**
   * @param {Response} response
   * @param {AbortSignal} signal
   */
  async #read(response, signal) {
    const reader = response.body?.getReader();
    if (!reader) return;
    const text = new TextDecoder();
    const parser = new EventParser();
    for (let part = await reader.read(); !part.done && !signal.aborted; part = await reader.read()) {
      for (const { event, data } of parser.push(text.decode(part.value, { stream: true }))) this.#dispatch(event, data);
    }
  }

  /**
   * @param {string} event
   * @param {string} data
   */
  #dispatch(event, data) {
    if (event === 'ended') this.handlers.onEnded();
    else if (event === 'metrics') {
      const metrics = parseJson(data);
      if (metrics) this.handlers.onMetrics(metrics);
    }
  }
}

/** @param {string} text */
function parseJson(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
