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
    let bulk = |n| Flow::Quic(c.factory(), Source::bulk(n));
    let show = |name: String, o: Vec<bottleneck::Outcome>, to: u64| {
        let g: Vec<f64> = o.iter().map(|o| o.goodput(s(10), s(to)) * 8.0 / 1e6).collect();
        let list = g.iter().map(|g| format!("{g:.1}")).collect::<Vec<_>>().join(" ");
        println!("{name:28} sum {:5.1}  drops {:4.1}%  {list}", g.iter().sum::<f64>(), o[0].drop_ratio * 100.0);
    };
    for q in [0.25, 1.0, 4.0] {
        for n in [4, 8] {
            let mut scene = Scene::bottleneck(50e6, rtt, q);
            for i in 0..n {
                scene = scene.flow(Duration::from_millis(i * 700), bulk(200_000_000));
            }
            show(format!("{n} own q {q}"), scene.run(s(60)), 60);
            let mut scene = Scene::bottleneck(50e6, rtt, q).flow(s(5), bulk(200_000_000));
            for i in 0..n - 1 {
                scene = scene.flow(Duration::from_millis(i * 700), Flow::Tcp);
            }
            show(format!("1 own, {} tcp q {q}", n - 1), scene.run(s(60)), 60);
        }
    }
    for loss in [0.0, 0.01, 0.05] {
        let mut scene = Scene::open(rtt, Loss::Random(loss));
        scene.forward.policer = Some((20e6 / 8.0, 30_000.0));
        show(format!("policed 20, loss {loss}"), scene.flow(s(0), bulk(200_000_000)).run(s(60)), 60);
        let mut scene = Scene::open(rtt, Loss::Random(loss));
        scene.forward.policer = Some((20e6 / 8.0, 30_000.0));
        show(format!("policed 20, loss {loss}, 1 tcp"), scene.flow(s(0), bulk(200_000_000)).flow(s(0), Flow::Tcp).run(s(60)), 60);
    }
    for q in [0.02, 0.05, 0.1] {
        show(format!("alone q {q}"), Scene::bottleneck(20e6, rtt, q).flow(s(0), bulk(200_000_000)).run(s(60)), 60);
        show(format!("tcp q {q}"), Scene::bottleneck(20e6, rtt, q).flow(s(0), bulk(200_000_000)).flow(s(0), Flow::Tcp).run(s(60)), 60);
    }
    for (from, to) in [(50, 150), (150, 50)] {
        for loss in [0.0, 0.01, 0.05] {
            let ms = Duration::from_millis;
            let mut scene = Scene::bottleneck(20e6, ms(from), 1.0).loss(Loss::Random(loss));
            scene.back.delay = ms(5); scene.forward.delay = ms(from - 5);
            scene.forward.changes = vec![(s(20), bottleneck::Change::Delay(ms(to - 5)))];
            let o = scene.flow(s(0), bulk(200_000_000)).run(s(40));
            for t in [19, 21, 22, 24, 28, 38] { print!(" {t}s {:.1}", o[0].goodput(s(t), s(t + 1)) * 8.0 / 1e6); }
            println!(" RTT {from} -> {to} loss {loss}");
            let mut scene = Scene::open(ms(from), Loss::Random(loss));
            scene.back.delay = ms(5); scene.forward.delay = ms(from - 5);
            scene.forward.changes = vec![(s(5), bottleneck::Change::Delay(ms(to - 5)))];
            let o = scene.flow(s(0), bulk(1_500_000_000)).run(s(15));
            for t in [4, 5, 6, 7, 9, 13] { print!(" {t}s {:.1}", o[0].goodput(s(t), s(t + 1)) / 1e6); }
            println!(" MB/s open, RTT {from} -> {to} loss {loss}");
        }
    }
    for (from, to) in [(20e6, 100e6), (100e6, 20e6)] {
        let mut scene = Scene::bottleneck(from, rtt, 1.0);
        scene.forward.changes = vec![(s(20), bottleneck::Change::Rate(to / 8.0))];
        let o = scene.flow(s(0), bulk(1_500_000_000)).run(s(40));
        for t in [19, 20, 21, 22, 24, 28, 38] { print!(" {t}s {:.1}", o[0].goodput(s(t), s(t + 1)) * 8.0 / 1e6); }
        println!(" rate {from} -> {to} drops {:.2}%", o[0].drop_ratio * 100.0);
    }
    for loss in [0.0, 0.01, 0.05, 0.15] {
        let o = Scene::open(rtt, Loss::Random(loss)).flow(s(0), Flow::Quic(c.factory(), Source::frames(100_000, Duration::from_micros(33_333), 600))).run(s(40));
        println!("frames loss {loss}: age p50 {:?} p95 {:?} window {}", o[0].age(0.5), o[0].age(0.95), o[0].window(s(15)));
    }
    let o = Scene::open(rtt, Loss::Random(0.0)).flow(s(0), Flow::Quic(c.factory(), Source::bursts(&[(s(0), 20_000_000), (s(10), 100_000), (s(30), 20_000_000)]))).run(s(40));
    println!("bursts: window {} then {}, ages {:?} {:?}", o[0].window(s(9)), o[0].window(s(29)), o[0].ages[199], o[0].ages[400]);
}
