// @ts-check
/**
 * The server's clock, as seen from this page.
 *
 * Fed by: link.js, with each pong. Feeds: player.js (frame age) and the RTT chart.
 *
 * offset = t1 - (t0 + rtt / 2), taken from the sample with the least RTT of the last minute: the
 * least delayed exchange is the one whose two ways differ least (RFC 5905 §10, the clock filter).
 * The error of an age is therefore at most half of that least RTT.
 */

/** How long a sample counts, µs. Two quartz clocks drift apart by at most about 3 ms in it. */
const WINDOW_US = 60_000_000;

/** Samples kept at most. */
const MAX_SAMPLES = 120;

/** Weight of a new sample in the smoothed RTT (RFC 6298 §2). */
const ALPHA = 1 / 8;

export class ServerClock {
  constructor() {
    /** @type {{atUs: number, rttUs: number, offsetUs: number}[]} */
    this.samples = [];
    /** @type {number | null} smoothed round-trip time, µs */
    this.srttUs = null;
    /** @type {number | null} the last round trip, µs */
    this.rttUs = null;
    /** @type {number | null} server clock minus page clock, µs */
    this.offsetUs = null;
  }

  /**
   * @param {number} t0Us page clock when the ping left
   * @param {number} t1Us server clock when it answered
   * @param {number} nowUs page clock when the pong arrived
   */
  addPong(t0Us, t1Us, nowUs) {
    const rttUs = nowUs - t0Us;
    if (rttUs < 0 || rttUs > WINDOW_US) return;
    this.rttUs = rttUs;
    this.srttUs = this.srttUs === null ? rttUs : this.srttUs + ALPHA * (rttUs - this.srttUs);
    this.samples.push({ atUs: nowUs, rttUs, offsetUs: t1Us - (t0Us + rttUs / 2) });
    this.samples = this.samples.filter((sample) => nowUs - sample.atUs <= WINDOW_US).slice(-MAX_SAMPLES);
    let best = this.samples[0];
    for (const sample of this.samples) if (sample.rttUs <= best.rttUs) best = sample;
    this.offsetUs = best.offsetUs;
  }

  /**
   * How long ago the server's clock showed `serverUs`, in ms; null until a pong has arrived.
   * @param {number} serverUs
   * @param {number} nowUs page clock
   */
  ageMs(serverUs, nowUs) {
    if (this.offsetUs === null) return null;
    return Math.max(0, (nowUs + this.offsetUs - serverUs) / 1000);
  }
}

/** The page's clock: µs since the page was opened, monotonic, whole. */
export function pageClockUs() {
  return Math.round(performance.now() * 1000);
}
