// @ts-check
/**
 * The connection card: which way frames come, why the others do not carry, and the choice.
 *
 * Fed by: app.js, with how each lane stands. Feeds: app.js, with what the person chooses.
 */
import { byId, h, setText } from './dom.js';
import { milliseconds } from './format.js';

/** @type {Record<import('./choice.js').Kind, string>} */
const NAMES = { quic: 'QUIC', data: 'Data channel', websocket: 'WebSocket' };

/** @type {Record<import('./choice.js').Kind, string>} */
const WAYS = { quic: 'WebTransport over UDP', data: 'WebRTC over UDP', websocket: 'TCP, where no UDP passes' };

/** Why a lane does not carry, in a word or two. @type {Record<import('./laneerror.js').Why, string>} */
const WHY = {
  insecure: 'Needs HTTPS', unsupported: 'Not supported', blocked: 'Blocked', unserved: 'Not served',
  unreachable: 'Unreachable', missing: 'Gone', locked: 'Locked', refused: 'Refused', lost: 'Lost',
};

/** @typedef {ReturnType<import('./lanes.js').LaneSet['report']>[number]} LaneReport */

/**
 * How one lane stands.
 * @param {LaneReport | undefined} lane undefined: nothing is connected
 * @param {import('./choice.js').Kind} kind
 * @param {import('./choice.js').Choice} choice
 * @returns {{tone: 'good' | 'warn' | 'bad' | 'info', label: string, detail: string}}
 */
export function describeLane(lane, kind, choice) {
  if (choice !== 'auto' && choice !== kind) return { tone: 'info', label: 'Not chosen', detail: WAYS[kind] };
  if (!lane) return { tone: 'info', label: 'Idle', detail: WAYS[kind] };
  const detail = lane.text ?? (lane.rtt_ms === null ? WAYS[kind] : `${WAYS[kind]}, RTT ${milliseconds(lane.rtt_ms)}`);
  if (lane.carries) return { tone: 'good', label: 'Carries', detail };
  if (lane.state === 'open') return { tone: 'info', label: 'Stands by', detail };
  if (lane.why) return { tone: ['unsupported', 'insecure', 'unserved'].includes(lane.why) ? 'info' : 'warn', label: WHY[lane.why], detail };
  if (lane.state === 'connecting') return { tone: 'info', label: 'Connecting', detail };
  return { tone: 'info', label: kind === 'websocket' ? 'Not needed' : 'Idle', detail };
}

export class LanePanel {
  /**
   * @param {import('./choice.js').Choice} choice
   * @param {(choice: import('./choice.js').Choice) => void} onChoose
   */
  constructor(choice, onChoose) {
    const form = /** @type {HTMLFormElement} */ (byId('lane-choice'));
    const kinds = /** @type {import('./choice.js').Kind[]} */ (Object.keys(NAMES));
    for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll('input[name="lane"]'))) {
      radio.checked = radio.value === choice;
      radio.addEventListener('change', () => onChoose(/** @type {import('./choice.js').Choice} */ (radio.value)));
    }
    this.rows = kinds.map((kind) => {
      const badge = h('span', { class: 'badge info' });
      const detail = h('p', { class: 'hint' });
      byId('lanes').append(h('li', { 'data-lane': kind }, h('div', { class: 'card-head' }, h('span', { class: 'lane-name', text: NAMES[kind] }), badge), detail));
      return { kind, badge, detail };
    });
    this.show([], choice);
  }

  /**
   * @param {LaneReport[]} lanes
   * @param {import('./choice.js').Choice} choice
   */
  show(lanes, choice) {
    for (const { kind, badge, detail } of this.rows) {
      const said = describeLane(lanes.find((lane) => lane.kind === kind), kind, choice);
      setText(badge, said.label);
      badge.className = `badge ${said.tone}`;
      setText(detail, said.detail);
    }
  }
}
