// @ts-check
/**
 * Why a lane does not carry.
 *
 * Fed by: whatever opens lanes. Feeds: lanes.js and what the page says.
 */
import { ApiError } from './api.js';

/**
 * @typedef {'insecure' | 'unsupported' | 'blocked' | 'unserved' | 'unreachable' | 'missing' | 'locked' | 'refused' | 'lost'} Why
 */

/** A lane that could not be opened, or is no more. */
export class LaneError extends Error {
  /**
   * @param {Why} why
   * @param {string} message for a person
   */
  constructor(why, message) {
    super(message);
    this.name = 'LaneError';
    this.why = why;
  }

  /** Whether to try again is of any use while this page is open. */
  get isFinal() {
    return ['insecure', 'unsupported', 'unserved'].includes(this.why);
  }
}

/**
 * @param {unknown} error
 * @returns {LaneError | DOMException}
 */
export function laneError(error) {
  if (error instanceof LaneError || (error instanceof DOMException && error.name === 'AbortError')) return error;
  if (error instanceof ApiError) return new LaneError(whyOf(error), error.message);
  return new LaneError('refused', `The server's answer cannot be used: ${error instanceof Error ? error.message : error}`);
}

/** @param {ApiError} error @returns {Why} */
function whyOf(error) {
  if (error.status === 0) return 'unreachable';
  if (error.status === 404) return error.problem?.type?.includes('no-quic') ? 'unserved' : 'missing';
  if (error.status === 401) return 'locked';
  return 'refused';
}
