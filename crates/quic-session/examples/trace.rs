#![allow(clippy::print_stdout, clippy::unwrap_used)]
#[path = "../tests/bottleneck/mod.rs"]
mod bottleneck;
use std::time::Duration;
use bottleneck::{Flow, Loss, Scene, Source};
use quic_session::CongestionControl;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let c = CongestionControl::Fair;
    let s = Duration::from_secs;
    let bulk = || Flow::Quic(c.factory(), Source::bulk(200_000_000));
    let q: f64 = a[2].parse().unwrap();
    let scene = match a[1].as_str() {
        "8" => { let mut x = Scene::bottleneck(50e6, Duration::from_millis(50), q); for i in 0..8 { x = x.flow(Duration::from_millis(i*700), bulk()); } x }
        "pol" => { let mut x = Scene::open(Duration::from_millis(50), Loss::Random(q)); x.forward.policer = Some((20e6/8.0, 30_000.0)); x.flow(s(0), bulk()) }
        "tcp" => Scene::bottleneck(20e6, Duration::from_millis(50), q).flow(s(0), bulk()).flow(s(0), Flow::Tcp),
        "open" => Scene::open(Duration::from_millis(50), Loss::Random(q)).seed(a[5].parse().unwrap()).flow(s(0), bulk()),
        "burst" => Scene::open(Duration::from_millis(50), Loss::Burst{mean:q,spell:20.0}).seed(a[5].parse().unwrap()).flow(s(0), bulk()),
        _ => Scene::bottleneck(20e6, Duration::from_millis(50), q).flow(s(0), bulk()),
    };
    let from: usize = a[3].parse().unwrap();
    let step: usize = a[4].parse().unwrap();
    let o = scene.run(s(60));
    let mut i = from;
    while i < o[0].windows.len() && i < from + 400 * step {
        print!("{:5.1}s", (i as f64 + 1.0) / 10.0);
        for f in &o {
            print!("  {:4} kB {:5.1}", f.windows[i] / 1000, (f.delivered[i] - f.delivered[i.saturating_sub(1)]) as f64 * 80.0 / 1e6);
        }
        println!();
        i += step;
    }
}
