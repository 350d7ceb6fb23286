//! The window: how it grows and what a loss does to it.
//!
//! Fed by `fair` with what quinn reports; asks `queue`, `delivery` and `loss` about the path, and `curve` how to grow beside others.

use std::time::{Duration, Instant};

use super::curve::{BETA, Curve};
use super::delivery::Delivery;
use super::drain::Drain;
use super::looks::Looks;
use super::loss::{LossRatio, Verdict};
use super::queue::Queue;
use super::share::Share;

/// Packets that must fit: three later ones tell of a loss (RFC 9002 §6.1.1), so four keep acks coming.
const LEAST_PACKETS: u64 = 4;
/// What remains after a mark: a queue that marks is short (RFC 8511).
const BETA_MARK: f64 = 0.85;
/// A window of which so little is used is not known to be too small (RFC 7661 §4.1). Not half: a frame goes out at 1.25 windows a
/// round trip, so that of a window that is twice as large as the frame, it takes 0.4 round trips to leave.
const BURST: f64 = 5.0;
/// Growth of a round on a path without a queue, as a share.
const CLEAR_GAIN: f64 = 0.25;
/// Rounds after which the growth of a clear path doubles, up to a startup's.
const GAIN_ROUNDS: f64 = 4.0;
/// It takes this long without a queue's loss: beside others who cut every few seconds, room is theirs as much as ours.
const CLEAR_AFTER_QUEUE: Duration = Duration::from_millis(2500);
/// Rounds for which nothing may have waited, and without a cut for excessive loss.
const CLEAR_ROUNDS: u32 = 2;
const CLEAR_AFTER_EXCESS: u32 = 8;
/// A cut leaves at least this share of what the path holds, and room for others: BBRv2's headroom.
const HEADROOM: f64 = 0.85;
/// What remains in flight while the path is drained, as a share of what it holds. BBRv2 has the same for its `ProbeRTT`.
const DRAIN_SHARE: f64 = 0.5;
/// A drain that shortens the wait by more than this share shows that the path is as it was; by less, and it stands in the queue of others.
const MOST_SHARE: f64 = 0.9;
/// Cuts one after another, none of which shortened the queue.
const VAIN_CUTS: u32 = 4;

/// A loss, or a mark, as quinn reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// So many bytes.
    Bytes(u64),
    /// A router marked instead of dropping (RFC 3168).
    Mark,
    /// All that was sent over three probe timeouts (RFC 9002 §7.6).
    Persistent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Doubling each round until a queue fills.
    Startup,
    /// Beside others.
    Sharing,
}

/// How much may be in flight, in bytes.
#[derive(Clone, Debug)]
pub struct FairWindow {
    window: f64,
    most: u64,
    mtu: u64,
    phase: Phase,
    queue: Queue,
    delivery: Delivery,
    loss: LossRatio,
    curve: Curve,
    round: Round,
    batch: Batch,
    /// Losses of what was sent before belong to a cut that was made.
    cut_at: Option<Instant>,
    /// Until then, growth is the curve's.
    hold_until: Option<Instant>,
    clear_since: Option<Instant>,
    drain: Option<Drain>,
    /// Cuts since the queue was last clear.
    cuts: u32,
    /// The window before them.
    before_cuts: f64,
    share: Share,
    looks: Looks,
    /// A drain may have shown a longer path, or the queue of many others.
    in_doubt: bool,
    /// What a cut for excessive loss undid.
    before_trial: Option<(f64, Phase)>,
}

/// What a round shows: it ends when what was sent after its start is acked.
#[derive(Clone, Copy, Debug)]
struct Round {
    start: Option<Instant>,
    peak: u64,
    last_peak: u64,
}

/// What one ack frame newly acked.
#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    bytes: u64,
    packets: u32,
    newest: Option<Instant>,
}

impl FairWindow {
    /// A window of so many bytes at first and at most; looks at the path at the moments that count from `looks_from`.
    #[must_use]
    pub fn new(initial_bytes: u64, most_bytes: u64, mtu: u16, looks_from: Instant) -> Self {
        let mut window = Self {
            window: initial_bytes as f64,
            most: most_bytes,
            mtu: u64::from(mtu).max(1),
            phase: Phase::Startup,
            queue: Queue::new(),
            delivery: Delivery::new(),
            loss: LossRatio::new(),
            curve: Curve::new(),
            round: Round {
                start: None,
                peak: 0,
                last_peak: 0,
            },
            batch: Batch::default(),
            cut_at: None,
            hold_until: None,
            clear_since: None,
            drain: None,
            cuts: 0,
            before_cuts: 0.0,
            share: Share::new(),
            looks: Looks::new(looks_from),
            in_doubt: false,
            before_trial: None,
        };
        window.bound();
        window
    }

    /// What may be in flight.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let window = match &self.drain {
            Some(drain) => drain.target().min(self.window),
            None => self.window,
        };
        (window as u64).max(self.least())
    }

    /// The least that `bytes` says.
    #[must_use]
    pub fn least(&self) -> u64 {
        LEAST_PACKETS * self.mtu
    }

    /// What the path delivered at best of late, in bytes per second.
    #[must_use]
    pub fn delivery_rate(&self) -> f64 {
        self.delivery.best()
    }

    /// The path carries datagrams of this size.
    pub fn on_mtu(&mut self, mtu: u16) {
        self.mtu = u64::from(mtu).max(1);
        self.bound();
    }

    /// A packet was acked; its batch ends with `on_acks_end`.
    pub fn on_ack(&mut self, sent: Instant, bytes: u64) {
        self.batch.bytes = self.batch.bytes.saturating_add(bytes);
        self.batch.packets = self.batch.packets.saturating_add(1);
        self.batch.newest = self.batch.newest.max(Some(sent));
    }

    /// All that an ack frame acked was reported; so many bytes remain in flight.
    pub fn on_acks_end(&mut self, now: Instant, in_flight: u64) {
        let batch = std::mem::take(&mut self.batch);
        let Some(newest) = batch.newest else {
            return;
        };
        let rtt = now.saturating_duration_since(newest);
        // An ack of a single packet may have waited for the receiver's timer (25 ms): it says at most that the RTT is no more.
        if batch.packets > 1 || rtt < self.queue.base() || self.queue.base().is_zero() {
            self.queue.sample(now, rtt);
        }
        self.delivery
            .acked(now, newest, batch.bytes, self.queue.base());
        self.loss.acked(now, newest, batch.bytes);
        self.round.peak = self.round.peak.max(in_flight.saturating_add(batch.bytes));
        self.note_clear(now);
        self.drain(now, newest, in_flight);
        if self.drain.is_none() {
            self.grow(now, newest, batch.bytes as f64);
        }
        if self.round.start.is_none_or(|start| newest >= start) {
            self.end_round(now);
        }
        self.bound();
    }

    /// Packets were lost, or marked, the latest of them sent then.
    pub fn on_loss(&mut self, now: Instant, sent: Instant, loss: Loss) {
        if let Loss::Bytes(bytes) = loss {
            self.loss.lost(bytes);
        }
        if loss == Loss::Persistent {
            self.start_over(now);
        } else if self.cut_at.is_none_or(|cut| sent > cut) {
            match loss {
                Loss::Mark => self.cut(now, BETA_MARK, CLEAR_AFTER_QUEUE),
                _ if self.queue.stands() => self.cut_for_queue(now),
                _ if self.loss.is_excessive(now, self.mtu as f64) => {
                    self.cut_for_excess(now);
                }
                _ => {}
            }
        }
        self.bound();
    }

    fn cut_for_queue(&mut self, now: Instant) {
        self.share.lost(self.queue.delay());
        self.cut(now, self.share.beta(), CLEAR_AFTER_QUEUE);
    }

    /// Begins a drain when one is due, ends the one that has seen enough.
    fn drain(&mut self, now: Instant, newest: Instant, in_flight: u64) {
        // A sender that leaves its window unused has little in the queue, and a frame to lose by waiting.
        let alone = self.queue.is_stale(now) || self.cuts >= VAIN_CUTS;
        // What is lost though no queue is seen may be lost in one that has never been seen empty.
        let unsure = self.in_doubt || self.loss.is_noticeable(self.mtu as f64);
        let together = self.looks.is_time(now) && unsure;
        let full = self.is_full();
        match &mut self.drain {
            None if (alone || together) && full => {
                let target = (self.pipe() * DRAIN_SHARE).max(self.least() as f64);
                let round_trips = (self.queue.base(), self.queue.recent());
                let in_flight = (self.used(), target);
                self.drain = Some(Drain::new(round_trips, in_flight, together));
            }
            None => {}
            Some(drain) => {
                if let Some(rtt) = drain.acked(now, newest, in_flight) {
                    let drain = drain.clone();
                    self.drain = None;
                    self.end_drain(now, rtt, &drain);
                }
            }
        }
    }

    fn end_drain(&mut self, now: Instant, rtt: Duration, drain: &Drain) {
        let share = drain.share(self.queue.base(), rtt);
        let no_shorter = drain.is_no_shorter(self.queue.base(), rtt);
        let conclusive = drain.is_conclusive(self.queue.base(), self.share.ours());
        self.in_doubt = no_shorter && !conclusive;
        if drain.is_together() {
            self.looks.showed(drain.is_shorter_than_known(rtt));
        }
        if no_shorter && conclusive && self.loss.is_usual(self.mtu as f64) {
            self.queue.measured(now, rtt);
            self.undo_cuts();
            self.cuts = 0;
            return;
        }
        // What others left out at the same time is not ours.
        if !drain.is_together() {
            self.share.drained(drain.rate_share(rtt));
        }
        if share > MOST_SHARE {
            self.queue.measured(now, rtt);
        } else {
            self.queue.hidden(now);
        }
        self.cuts = 0;
        self.yield_to_others(share);
    }

    /// The path is longer: what was cut for its delay was cut for nothing.
    fn undo_cuts(&mut self) {
        if self.cuts > 0 {
            self.window = self.window.max(self.before_cuts);
            self.hold_until = None;
            self.curve.restart();
        }
    }

    /// Who fills most of a queue gives some of it up, for CUBIC's curve alone takes minutes to share a long one.
    fn yield_to_others(&mut self, share: f64) {
        if share <= 0.5 {
            return;
        }
        let yielded = (1.0 - BETA) * (2.0 * share - 1.0).clamp(0.0, 1.0);
        let least = (self.pipe() * HEADROOM).min(self.window);
        self.window = (self.window * (1.0 - yielded)).max(least);
        self.curve.restart();
    }

    fn note_clear(&mut self, now: Instant) {
        if self.queue.is_clear() {
            self.cuts = 0;
            self.clear_since.get_or_insert(now);
        } else {
            self.clear_since = None;
        }
    }

    /// The share by which a round's acks grow the window of a path where nothing has waited for a while and nobody had to yield.
    fn clear_gain(&self, now: Instant) -> Option<f64> {
        let base = self.queue.base();
        let clear = now.saturating_duration_since(self.clear_since?);
        let hurry = clear.checked_sub(base * CLEAR_ROUNDS)?;
        let held = self.hold_until.is_some_and(|until| now < until);
        if held || self.loss.is_suspected(now) || !self.loss.is_usual(self.mtu as f64) {
            return None;
        }
        let rounds = hurry.as_secs_f64() / base.as_secs_f64().max(1e-6);
        Some((CLEAR_GAIN * (rounds / GAIN_ROUNDS).exp2()).min(1.0))
    }

    fn grow(&mut self, now: Instant, newest: Instant, acked: f64) {
        if self.cut_at.is_some_and(|cut| newest <= cut) {
            return;
        }
        match self.phase {
            Phase::Startup if self.queue.fills() => self.leave_startup(),
            Phase::Startup if self.used() * BURST >= self.window => self.window += acked,
            Phase::Sharing if self.is_full() => {
                if let Some(gain) = self.clear_gain(now) {
                    self.window += acked * gain;
                    self.curve.restart();
                } else if !self.share.leaves_the_rest(self.queue.delay()) {
                    self.grow_beside_others(now, acked);
                }
            }
            _ => {}
        }
    }

    fn grow_beside_others(&mut self, now: Instant, acked: f64) {
        let (rtt, mtu) = (self.queue.recent(), self.mtu as f64);
        let by_curve = self.curve.grow(now, self.window, acked, rtt, mtu);
        let rounds = acked / self.window;
        let least = self.share.least_growth(self.window, mtu) * rtt.as_secs_f64() * rounds;
        self.window = by_curve.max(self.window + least);
    }

    /// The most that was in flight in the last round or two.
    fn used(&self) -> f64 {
        self.round.peak.max(self.round.last_peak) as f64
    }

    /// Four fifths of the window are used: it may be what limits.
    fn is_full(&self) -> bool {
        self.used() * 1.25 >= self.window
    }

    fn leave_startup(&mut self) {
        self.phase = Phase::Sharing;
        self.curve.restart();
    }

    /// What the path holds without a queue, at the rate it delivers (Westwood's `BWE × RTTmin`; Mascolo et al., 2001).
    fn pipe(&self) -> f64 {
        self.delivery.best() * self.queue.base().as_secs_f64()
    }

    fn cut(&mut self, now: Instant, beta: f64, hold: Duration) {
        self.phase = Phase::Sharing;
        self.before_trial = None;
        if self.cuts == 0 {
            self.before_cuts = self.window;
        }
        self.curve.cut(self.window, beta);
        // Much less than the path holds would leave it idle.
        self.window = (self.window * beta).max((self.pipe() * HEADROOM).min(self.window));
        self.cut_at = Some(now);
        self.hold_until = Some(now + hold);
        self.clear_since = None;
        self.cuts = self.cuts.saturating_add(1);
    }

    fn cut_for_excess(&mut self, now: Instant) {
        // A window of which half is not used would be cut without effect, and without effect there is no evidence.
        let before = self.window.min(self.used());
        let undo = Some((before, self.phase));
        self.cut(now, BETA, self.queue.base() * CLEAR_AFTER_EXCESS);
        if !self.loss.is_suspected(now) {
            self.window = before * BETA;
            self.before_trial = undo;
        }
        self.loss.cut(now, self.window / before.max(1.0));
    }

    fn start_over(&mut self, now: Instant) {
        self.phase = Phase::Startup;
        self.window = self.least() as f64;
        self.delivery = Delivery::new();
        self.drain = None;
        self.cuts = 0;
        self.curve.restart();
        self.cut_at = Some(now);
    }

    fn end_round(&mut self, now: Instant) {
        self.delivery.round();
        let verdict = self.loss.round(now, self.mtu as f64);
        match verdict {
            // What was delivered is then what the path takes.
            Some(Verdict::Convicted) => {
                // A policer's bucket lets bursts through, so that the best rate is above its own.
                self.window = self.window.min(self.pipe() * BETA);
                self.curve.restart();
            }
            // The cut was for nothing.
            Some(Verdict::Acquitted) => {
                self.hold_until = None;
                if let Some((window, phase)) = self.before_trial {
                    self.window = self.window.max(window);
                    self.phase = phase;
                }
            }
            None => {}
        }
        self.round = Round {
            start: Some(now),
            peak: 0,
            last_peak: self.round.peak,
        };
    }

    fn bound(&mut self) {
        let least = self.least();
        self.window = self.window.clamp(least as f64, self.most.max(least) as f64);
    }
}
