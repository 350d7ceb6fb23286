//! CUBIC as a TCP has it, the competitor: RFC 9438 with the slow start of RFC 9406 without its second phase. In segments and seconds.

/// RFC 9438 §4.6.
const BETA: f64 = 0.7;
/// RFC 9438 §5.
const C: f64 = 0.4;
/// RFC 9438 §4.3: as fast as Reno on average.
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

pub(super) struct TcpCubic {
    pub(super) window: f64,
    threshold: f64,
    w_max: f64,
    k: f64,
    epoch: Option<f64>,
    w_est: f64,
    min_rtt: f64,
    round_end: f64,
    round_min: f64,
    round_samples: u32,
}

impl TcpCubic {
    pub(super) fn new() -> Self {
        Self {
            window: 10.0,
            threshold: f64::INFINITY,
            w_max: 0.0,
            k: 0.0,
            epoch: None,
            w_est: 0.0,
            min_rtt: f64::INFINITY,
            round_end: 0.0,
            round_min: f64::INFINITY,
            round_samples: 0,
        }
    }

    pub(super) fn on_ack(&mut self, now: f64, sent: f64, rtt: f64, segments: f64, limited: bool) {
        self.min_rtt = self.min_rtt.min(rtt);
        if sent >= self.round_end {
            self.round_end = now;
            self.round_min = f64::INFINITY;
            self.round_samples = 0;
        }
        self.round_min = self.round_min.min(rtt);
        self.round_samples += 1;
        if self.window < self.threshold {
            let allowed = (self.min_rtt / 8.0).clamp(0.004, 0.016);
            if self.round_samples >= 8 && self.round_min > self.min_rtt + allowed {
                self.threshold = self.window;
            } else if limited {
                self.window += segments;
            }
        } else if limited {
            self.avoid(now, rtt, segments);
        }
    }

    fn avoid(&mut self, now: f64, rtt: f64, segments: f64) {
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.w_max = self.w_max.max(self.window);
            self.k = ((self.w_max - self.window) / C).cbrt();
            self.w_est = self.window;
            now
        });
        self.w_est += ALPHA * segments / self.window;
        let cubic = |t: f64| C * (t - self.k).powi(3) + self.w_max;
        let t = now - epoch;
        if cubic(t) < self.w_est {
            self.window = self.window.max(self.w_est);
        } else {
            let target = cubic(t + rtt).clamp(self.window, 1.5 * self.window);
            self.window += (target - self.window) / self.window * segments;
        }
    }

    pub(super) fn on_loss(&mut self) {
        // Fast convergence, RFC 9438 §4.7.
        self.w_max = if self.window < self.w_max {
            self.window * (1.0 + BETA) / 2.0
        } else {
            self.window
        };
        let before = self.window;
        self.window = (self.window * BETA).max(2.0);
        self.threshold = self.window;
        self.k = ((self.w_max - self.window).max(0.0) / C).cbrt();
        self.w_est = self.window;
        self.epoch = None;
        debug_assert!(self.window <= before.max(2.0));
    }

    pub(super) fn on_timeout(&mut self) {
        self.on_loss();
        self.window = 1.0;
    }
}
