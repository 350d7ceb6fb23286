#![allow(clippy::print_stdout, clippy::unwrap_used)]
#[path = "../tests/bottleneck/mod.rs"]
mod bottleneck;
use std::time::Duration;
use bottleneck::{Flow, Loss, Scene, Source};
use quic_session::CongestionControl;
fn main() {
    let s = Duration::from_secs;
    let c: CongestionControl = std::env::args().nth(1).map_or(CongestionControl::Fair, |c| c.parse().unwrap());
    let rtt = Duration::from_millis(50);
    let bulk = || Flow::Quic(c.factory(), Source::bulk(200_000_000));
    for q in [0.25, 0.5, 1.0, 4.0] {
        for kind in ["tcp+", "tcp first", "two", "two+"] {
            print!("q {q} {kind:10}");
            for seed in 1..=4 {
                let mut scene = Scene::bottleneck(20e6, rtt, q).seed(seed);
                // Starts differ, so that the runs do.
                let d = Duration::from_millis(seed * 37);
                scene = match kind {
                    "tcp+" => scene.flow(d, bulk()).flow(s(0), Flow::Tcp),
                    "tcp first" => scene.flow(s(5) + d, bulk()).flow(s(0), Flow::Tcp),
                    "two+" => scene.flow(s(0), bulk()).flow(d, bulk()),
                    _ => scene.flow(s(0), bulk()).flow(s(5) + d, bulk()),
                };
                let o = scene.run(s(60));
                let g: Vec<f64> = o.iter().map(|o| o.goodput(s(10), s(60)) * 8.0 / 1e6).collect();
                print!("  {:4.1}:{:4.1} {:3.0}%", g[0], g[1], 100.0 * g[0] / (g[0] + g[1]));
            }
            println!();
        }
    }
    for mean in [0.01, 0.05, 0.15] {
        print!("bursts {mean}: ");
        for seed in 1..=5 {
            let o = Scene::open(rtt, Loss::Burst { mean, spell: 20.0 }).seed(seed).flow(s(0), bulk()).run(s(40)).remove(0);
            print!(" {:.1}", 200.0 / o.finished.unwrap_or(s(1000)).as_secs_f64());
        }
        println!();
    }
    for p in [0.0, 0.01, 0.05, 0.15] {
        print!("random {p}: ");
        for seed in 1..=3 {
            let o = Scene::open(rtt, Loss::Random(p)).seed(seed).flow(s(0), bulk()).run(s(40)).remove(0);
            print!(" {:.1}", 200.0 / o.finished.unwrap_or(s(1000)).as_secs_f64());
        }
        println!();
    }
}
