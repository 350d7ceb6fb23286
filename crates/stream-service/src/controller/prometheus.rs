//! `/metrics` in Prometheus' text format: base units, one series per stream and none per viewer.

use std::time::Instant;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

use super::routes::App;
use crate::lanes::figures::{Figure, FigureValue, figures};
use crate::model::snapshot::{self, Metrics};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStream {
    stream: String,
}

/// Reads every stream once and writes what it read.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let mut registry = Registry::with_prefix("frameway");
    let mut streams: Vec<(String, Metrics)> = Vec::new();
    for stream in app.registry.list() {
        streams.push((
            stream.id.clone(),
            snapshot::metrics(&stream, Instant::now()).await,
        ));
    }
    register_streams(&mut registry, &streams);
    register_endpoint(&mut registry, &app);
    register_figures(&mut registry, figures(app.registry.endpoints()));
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = encode(&mut text, &registry);
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    )
        .into_response()
}

/// Name, help and reading of one gauge or counter.
type Series<T> = (&'static str, &'static str, fn(&Metrics) -> T);

const GAUGES: [Series<f64>; 11] = [
    ("viewers", "Viewers connected", |m| m.viewers.len() as f64),
    ("buffer_fill_frames", "Frames in the ring", |m| {
        m.buffer.fill as f64
    }),
    ("buffer_size_frames", "Frames the ring may hold", |m| {
        m.buffer.size as f64
    }),
    (
        "released_frames_per_second",
        "Frames that left the ring, over two seconds",
        |m| m.performance.released_fps,
    ),
    (
        "delivered_bytes_per_second",
        "Encoded bytes offered to viewers, over two seconds",
        |m| m.performance.bitrate_bps / 8.0,
    ),
    ("mjpeg_clients", "MJPEG clients connected", |m| {
        m.mjpeg.clients.len() as f64
    }),
    ("encode_cache_frames", "Frames in the encode cache", |m| {
        m.optimizer.cache.frames as f64
    }),
    ("encode_cache_bytes", "Bytes in the encode cache", |m| {
        m.optimizer.cache.bytes as f64
    }),
    (
        "encode_cache_hit_ratio",
        "Requests answered without an encode of their own, of all",
        |m| m.optimizer.cache.hit_ratio,
    ),
    (
        "encode_p50_seconds",
        "Time of one JPEG encode, median of the last 512",
        |m| m.optimizer.cache.encode_ms.p50 / 1000.0,
    ),
    (
        "encode_p99_seconds",
        "Time of one JPEG encode, 99th percentile of the last 512",
        |m| m.optimizer.cache.encode_ms.p99 / 1000.0,
    ),
];

const COUNTERS: [Series<u64>; 17] = [
    ("frames_decoded", "Frames decoded", |m| {
        m.performance.frames_decoded
    }),
    ("frames_released", "Frames that left the ring", |m| {
        m.performance.frames_released
    }),
    ("decode_errors", "Frames that could not be decoded", |m| {
        m.performance.decode_errors
    }),
    ("encodes", "JPEG encodes", |m| m.performance.encodes),
    ("encode_cache_hits", "Encodes saved by the cache", |m| {
        m.performance.encode_cache_hits
    }),
    (
        "buffer_underflows",
        "Times a due frame was not there",
        |m| m.buffer.underflows,
    ),
    ("buffer_dropped", "Frames dropped in the ring", |m| {
        m.buffer.dropped_oldest + m.buffer.dropped_newest + m.buffer.dropped_on_shrink
    }),
    ("frames_sent", "Frames sent whole to viewers", |m| {
        m.network.totals.frames_sent
    }),
    ("frames_acked", "Frames that viewers acknowledged", |m| {
        m.network.totals.frames_acked
    }),
    (
        "frames_dropped",
        "Frames replaced by newer ones before they were sent",
        |m| m.network.totals.frames_dropped,
    ),
    (
        "frames_left_out",
        "Frames never offered, for even the worst quality is too much for a viewer's bitrate",
        |m| m.network.totals.frames_left_out,
    ),
    (
        "quality_changes",
        "Frames sent at another quality than the one before, over all viewers",
        |m| m.optimizer.quality_changes,
    ),
    ("mjpeg_frames_sent", "JPEGs given to MJPEG clients", |m| {
        m.mjpeg.totals.frames_sent
    }),
    ("mjpeg_sent_bytes", "Bytes of those", |m| {
        m.mjpeg.totals.bytes_sent
    }),
    (
        "mjpeg_same_frames",
        "Frames left out, for their client saw the same already",
        |m| m.mjpeg.totals.same_frames,
    ),
    (
        "mjpeg_frames_left_out",
        "Frames left out, for even the worst quality is too much for an MJPEG client's bitrate",
        |m| m.mjpeg.totals.frames_left_out,
    ),
    (
        "mjpeg_stalled",
        "MJPEG clients closed because they read nothing",
        |m| m.mjpeg.totals.stalled,
    ),
];

fn register_streams(registry: &mut Registry, streams: &[(String, Metrics)]) {
    let count: Gauge = Gauge::default();
    count.set(streams.len() as i64);
    registry.register("streams", "Streams that exist", count);
    for (name, help, read) in GAUGES {
        let family: Family<OfStream, Gauge<f64, AtomicU64>> = Family::default();
        for (id, metrics) in streams {
            family
                .get_or_create(&OfStream { stream: id.clone() })
                .set(read(metrics));
        }
        registry.register(name, help, family);
    }
    for (name, help, read) in COUNTERS {
        registry.register(name, help, counter(streams, read));
    }
    let bytes = counter(streams, |m| m.network.totals.bytes_sent);
    registry.register_with_unit(
        "sent",
        "Bytes of all messages sent to viewers",
        Unit::Bytes,
        bytes,
    );
}

fn counter(streams: &[(String, Metrics)], read: fn(&Metrics) -> u64) -> Family<OfStream, Counter> {
    let family: Family<OfStream, Counter> = Family::default();
    for (id, metrics) in streams {
        family
            .get_or_create(&OfStream { stream: id.clone() })
            .inc_by(read(metrics));
    }
    family
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ForReason {
    reason: &'static str,
}

fn register_figures(registry: &mut Registry, figures: Vec<Figure>) {
    for Figure { name, help, value } in figures {
        match value {
            FigureValue::Gauge(value) => {
                let gauge: Gauge = Gauge::default();
                gauge.set(value as i64);
                registry.register(name, help, gauge);
            }
            FigureValue::Counter(value) => {
                let counter: Counter = Counter::default();
                counter.inc_by(value);
                registry.register(name, help, counter);
            }
            FigureValue::ByReason(values) => {
                let family: Family<ForReason, Counter> = Family::default();
                for (reason, value) in values {
                    family.get_or_create(&ForReason { reason }).inc_by(value);
                }
                registry.register(name, help, family);
            }
        }
    }
}

fn register_endpoint(registry: &mut Registry, app: &App) {
    let stats = app.registry.endpoints().data.totals();
    let sessions: Gauge = Gauge::default();
    sessions.set(stats.sessions as i64);
    registry.register("sessions", "WebRTC sessions alive", sessions);
    let counters = [
        (
            "sessions_started",
            "WebRTC sessions ever started",
            stats.sessions_started,
        ),
        (
            "datagrams_received",
            "UDP datagrams received",
            stats.datagrams_received,
        ),
        ("datagrams_sent", "UDP datagrams sent", stats.datagrams_sent),
        (
            "receive_calls",
            "System calls that received datagrams",
            stats.receive_calls,
        ),
        (
            "send_calls",
            "System calls that sent datagrams",
            stats.send_calls,
        ),
        (
            "datagrams_unsent",
            "UDP datagrams that the system did not take",
            stats.dropped_unsent,
        ),
    ];
    for (name, help, value) in counters {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
}
