//! What `GET /metrics` of a worker says: its links, and what its endpoints let in, refused and closed.
//!
//! Fed by `routes` with snapshots. Prometheus' text format; no label takes a value that a peer chooses.

use std::fmt::Write as _;

use super::link::LinkSnapshot;
use crate::lanes::figures::{Figure, FigureValue};

/// All of it; `endpoints` is what they count. `(sessions, made)`: sessions that were given a lane, and links that were made, since the start.
pub(super) fn exposition(
    links: &[LinkSnapshot],
    (sessions, made): (u64, u64),
    broken: u64,
    endpoints: Vec<Figure>,
) -> String {
    let mut text = Text::default();
    links_of(&mut text, links);
    text.counter(
        "frameway_worker_sessions_total",
        "Sessions that were given a lane since the start.",
        &[("", sessions)],
    );
    text.counter(
        "frameway_worker_links_total",
        "Links made since the start: one a video, and one more each time that it began anew.",
        &[("", made)],
    );
    text.counter(
        "frameway_worker_links_broken_total",
        "Links ended because their sender broke the protocol, or their pipeline failed.",
        &[("", broken)],
    );
    for figure in endpoints {
        endpoint_figure(&mut text, figure);
    }
    text.0
}

fn links_of(text: &mut Text, links: &[LinkSnapshot]) {
    let sum = |of: fn(&LinkSnapshot) -> u64| links.iter().map(of).sum::<u64>();
    text.gauge(
        "frameway_worker_links",
        "Links that are open or may be resumed.",
        links.len() as u64,
    );
    text.gauge(
        "frameway_worker_lanes",
        "Sessions of all links.",
        sum(|link| link.lanes as u64),
    );
    text.gauge(
        "frameway_worker_frames_processing",
        "Frames in the pipelines.",
        sum(|link| link.frames_processing),
    );
    text.gauge(
        "frameway_worker_held_bytes",
        "Payload bytes of frames that are not confirmed.",
        sum(|link| link.bytes_held),
    );
}

fn endpoint_figure(text: &mut Text, Figure { name, help, value }: Figure) {
    let (name, help) = (format!("frameway_worker_{name}"), format!("{help}."));
    match value {
        FigureValue::Gauge(value) => text.gauge(&name, &help, value),
        FigureValue::Counter(value) => {
            text.counter(&format!("{name}_total"), &help, &[("", value)]);
        }
        FigureValue::ByReason(values) => {
            text.counter(&format!("{name}_total"), &help, &values);
        }
    }
}

/// Lines of the format.
#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "gauge");
        self.value(name, "", value);
    }

    /// By reason; with a single empty one, without the label.
    fn counter(&mut self, name: &str, help: &str, values: &[(&str, u64)]) {
        self.head(name, help, "counter");
        for (reason, value) in values {
            self.value(name, reason, *value);
        }
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // A String takes whatever is written.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, reason: &str, value: u64) {
        let _ = match reason {
            "" => writeln!(self.0, "{name} {value}"),
            reason => writeln!(self.0, "{name}{{reason=\"{reason}\"}} {value}"),
        };
    }
}
