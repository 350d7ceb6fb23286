// @ts-check
/**
 * What this page adds to its offers (docs/wire.md, "On this machine").
 *
 * Fed by: whep.js, with the browser's own description.
 * Feeds: the server, in the request.
 */

/** Chromium hands a datagram to BoringSSL whole, which takes records out of at most 16 KiB. */
const MAX_DATAGRAM_BYTES = 12_000;

/**
 * The offer, saying that datagrams may hold several DTLS records: a server on this machine then sends fewer and larger ones. Only
 * where that was tried, in browsers made of Chromium; others get their offer back as it was.
 * @param {string} sdp
 * @param {boolean} [chromium]
 * @returns {string}
 */
export function offering(sdp, chromium = 'userAgentData' in navigator) {
  return chromium ? sdp.replace('\r\nm=', `\r\na=x-max-datagram-size:${MAX_DATAGRAM_BYTES}\r\nm=`) : sdp;
}
