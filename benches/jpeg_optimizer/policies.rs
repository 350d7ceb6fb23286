//! The two policies on moving pictures: how soon and how well each lands on its targets, and what a decision costs.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion};
use jpeg_optimizer::{ClientConfig, ModelBased, QualityPolicy, SizeModel, Stepwise};

use crate::clips::{self, Clip, playback};

type MakePolicy = fn() -> Box<dyn QualityPolicy>;

const POLICIES: [MakePolicy; 2] = [
    || Box::new(Stepwise::new()),
    || Box::new(ModelBased::new(Arc::new(SizeModel::new()))),
];

pub(crate) fn compare(c: &mut Criterion) {
    let ClientConfig { ladder, range, .. } = ClientConfig::default();
    let clips = clips::clips(&ladder.within(range));
    let mut group = c.benchmark_group("a client's 75 s of frames");
    for clip in &clips {
        for make in POLICIES {
            let name = make().name();
            describe(clip, name, make);
            let id = BenchmarkId::new(name, &clip.name);
            group.bench_function(id, |b| b.iter(|| black_box(playback::play(clip, make()))));
        }
    }
    group.finish();
}

#[allow(clippy::print_stdout)]
fn describe(clip: &Clip, name: &str, make: MakePolicy) {
    let phases = playback::play(clip, make());
    let worst = |of: fn(&playback::Phase) -> f64| phases.iter().map(of).fold(0.0, f64::max);
    let seconds = |phase: &playback::Phase| phase.landed_after.map_or(99.0, |it| it.as_secs_f64());
    let changes: u64 = phases.iter().map(|phase| phase.changes).sum();
    let total = playback::PHASE.as_secs_f64() * phases.len() as f64;
    println!(
        "{}, {name}: worst of {} targets: lands after {:.1} s, off by {:.1} %, varies by {:.1} %; {:.1} changes a second",
        clip.name,
        phases.len(),
        worst(seconds),
        100.0 * worst(playback::Phase::error),
        100.0 * worst(|phase| phase.spread),
        changes as f64 / total,
    );
}
