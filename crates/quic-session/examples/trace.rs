#![allow(clippy::print_stdout, clippy::unwrap_used)]
#[path = "../tests/bottleneck/mod.rs"]
mod bottleneck;
use std::time::Duration;
use bottleneck::{Flow, Scene, Source};
use quic_session::CongestionControl;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let q: f64 = a[1].parse().unwrap();
    let c: CongestionControl = a[2].parse().unwrap();
    let from: usize = a[4].parse().unwrap();
    let s = Duration::from_secs;
    let bulk = || Flow::Quic(c.factory(), Source::bulk(200_000_000));
    let mut scene = Scene::bottleneck(20e6, Duration::from_millis(50), q);
    scene = match a[3].as_str() {
        "two" => scene.flow(s(0), bulk()).flow(s(5), bulk()),
        "tcp" => scene.flow(s(0), bulk()).flow(s(0), Flow::Tcp),
        _ => scene.flow(s(0), bulk()),
    };
    let o = scene.run(s(60));
    for i in from..from + 60 {
        print!("{:5.1}s", (i as f64 + 1.0) / 10.0);
        for f in &o {
            print!("  w {:4} kB  {:5.1} Mbit/s", f.windows[i] / 1000, (f.delivered[i] - f.delivered[i - 1]) as f64 * 80.0 / 1e6);
        }
        println!();
    }
}
