//! One client's quality, whatever carries its frames: a fixed level, or what its bitrate buys.
//!
//! Fed with what was asked for, with what was sent and with samples of the client's link ([`super::ack_meter`], or the
//! TCP send queue of an MJPEG client); feeds the encode with a quality for each frame. Pure: `now` is an argument.

use std::sync::Arc;
use std::time::Instant;

use jpeg_optimizer::{
    Bitrate, ClientQuality, ClientStats, LinkSample, ModelBased, Quality, SentFrame, SizeModel,
    StreamingConfig, TargetBitrate,
};

use super::quality::{AutoQuality, QualityChoice, QualityWish};

/// What a stream asks for on behalf of clients that ask for nothing; changes while it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StreamRate {
    /// Its quality.
    pub(crate) quality: QualityChoice,
    /// The most that a client at `auto` gets, in place of the configured target.
    pub(crate) kbps: Option<Bitrate>,
}

/// What a client asks for, in place of its stream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ClientWish {
    pub(crate) quality: Option<QualityWish>,
    /// Implies `auto`.
    pub(crate) kbps: Option<Bitrate>,
}

impl ClientWish {
    fn choice(self, of_stream: QualityChoice) -> QualityWish {
        match (self.quality, self.kbps) {
            (Some(quality), _) => quality,
            (None, Some(_)) => QualityWish::Named(QualityChoice::Auto),
            (None, None) => QualityWish::Named(of_stream),
        }
    }
}

/// One client's quality, and what it was sent.
#[derive(Debug)]
pub(crate) struct ClientRate {
    wish: ClientWish,
    configured: Option<Bitrate>,
    /// Whether `auto` follows the link.
    adapts: bool,
    auto: AutoQuality,
    target: TargetBitrate,
    quality: ClientQuality,
    config: StreamingConfig,
}

impl ClientRate {
    /// A client of a stream whose frames cost what `sizes` has learned.
    pub(crate) fn new(config: &StreamingConfig, sizes: Arc<SizeModel>, wish: ClientWish) -> Self {
        let adapts = config.target().is_some();
        let mut target = TargetBitrate::new(config.target().unwrap_or_else(|| {
            let floor = config.range.floor();
            jpeg_optimizer::TargetConfig {
                floor,
                ..jpeg_optimizer::TargetConfig::default()
            }
        }));
        target.ask(wish.kbps);
        Self {
            wish,
            configured: config.target.filter(|_| adapts),
            adapts,
            auto: AutoQuality::default(),
            target,
            quality: ClientQuality::new(config.client(), Box::new(ModelBased::new(sizes))),
            config: config.clone(),
        }
    }

    /// The quality of the next frame; `None`: leave it out, for the client's bitrate has no room for it.
    pub(crate) fn next(&mut self, now: Instant, of_stream: StreamRate) -> Option<Quality> {
        self.target.configure(of_stream.kbps.or(self.configured));
        self.quality.follow(&self.target);
        match self.wish.choice(of_stream.quality) {
            QualityWish::Named(QualityChoice::Auto) => {
                let level = match self.adapts {
                    true => self.auto.level(),
                    false => QualityChoice::Auto.fixed_level(),
                };
                self.quality.set_quality(level.quality());
                self.quality.next_quality(now)
            }
            QualityWish::Named(choice) => Some(self.fixed(choice.fixed_level().quality())),
            QualityWish::Number(quality) => Some(self.fixed(self.config.ladder.snap(quality))),
        }
    }

    /// No target; the latency is told all the same.
    fn fixed(&mut self, quality: Quality) -> Quality {
        self.quality.set_target(None);
        let (floor, ceiling) = (self.config.range.floor(), self.config.range.ceiling());
        quality.clamp(floor, ceiling)
    }

    /// A sample of the link; a few each second.
    pub(crate) fn observe(&mut self, now: Instant, sample: LinkSample) {
        if self.adapts {
            self.target.observe(now, sample);
        }
    }

    /// A frame was handed to the client's transport; `replaced`: in place of one that had not gone out yet.
    pub(crate) fn sent(&mut self, frame: SentFrame, replaced: bool) {
        self.auto.observe(frame.at, replaced);
        self.quality.sent(frame);
    }

    pub(crate) fn stats(&self) -> ClientStats {
        self.quality.stats()
    }
}

#[cfg(test)]
mod tests;
