//! jpeg-optimizer's two policies on moving pictures: within 10 % of any target 5 s after it changed, and steady. They are
//! judged here because this crate has the clips.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod clips;

use std::sync::Arc;
use std::time::Duration;

use clips::playback::{self, play};
use jpeg_optimizer::{ClientConfig, ModelBased, Quality, QualityPolicy, SizeModel, Stepwise};

type MakePolicy = fn() -> Box<dyn QualityPolicy>;

const POLICIES: [MakePolicy; 2] = [
    || Box::new(Stepwise::new()),
    || Box::new(ModelBased::new(Arc::new(SizeModel::new()))),
];

fn rungs() -> Vec<Quality> {
    let ClientConfig { ladder, range, .. } = ClientConfig::default();
    ladder.within(range)
}

#[test]
fn five_seconds_after_a_change_the_bitrate_is_right_and_steady() {
    let clips = clips::clips(&rungs());
    let mut off = Vec::new();
    let mut at_once = 0;
    for clip in &clips {
        for make in POLICIES {
            let policy = make();
            let name = policy.name();
            for phase in play(clip, policy) {
                eprintln!("{} {name}: {phase:?}", clip.name);
                // Steps come after the content: on the clip whose pictures empty and fill with cars, they lag.
                let steady = if name == "model" { 0.2 } else { 0.3 };
                let flickers = phase.changes > 15 * playback::PHASE.as_secs();
                if name == "model" && phase.landed_after < Some(Duration::from_millis(500)) {
                    at_once += u64::from(phase.landed_after.is_some());
                }
                if flickers || phase.error() > 0.1 || phase.spread > steady {
                    off.push(format!("{} {name}: {phase:?}", clip.name));
                }
            }
        }
    }
    assert!(off.is_empty(), "{off:#?}");
    // A content that changes in the very moment can hide that the step was right.
    let phases = (clips.len() * playback::TARGETS.len()) as u64;
    assert!(at_once * 5 >= phases * 4, "{at_once} of {phases} at once");
}
