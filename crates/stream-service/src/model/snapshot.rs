//! What a client is told: a stream's description and its metrics, as JSON.
//!
//! Read by the controllers and the page; each figure's meaning and unit stands in `docs/units.md`.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use datachannel_transport::TimingSummary;
use frame_buffer::BufferMetrics;
use jpeg_optimizer::EncodeStats;
use progressive_loader::LoadSnapshot;
use serde::Serialize;
use serde_json::{Value, json};

use super::picture_client::{PictureSnapshot, PictureTotals};
use super::stream::{Stream, StreamState, lock};
use super::viewer::{Totals, ViewerSnapshot};

/// The JSON of one stream, as `GET /api/v1/streams/{id}` gives it.
pub(crate) fn describe(stream: &Stream) -> Value {
    let (state, buffer) = {
        let playback = stream.playback();
        (playback.state.clone(), playback.ring.metrics())
    };
    let mut viewers = 0;
    stream.for_each_viewer(|_| viewers += 1);
    let rate = stream.rate();
    let info = &stream.info;
    let mut json = json!({
        "id": stream.id,
        "name": stream.params.name,
        "uri": stream.params.uri,
        "state": state.name(),
        "video": {
            "width": info.size.width, "height": info.size.height, "frame_rate": info.frame_rate,
            "frame_count": info.frame_count, "duration_seconds": info.duration.map(|d| d.as_secs_f64()),
            "codec": info.codec, "container": info.container,
        },
        "quality": rate.quality,
        "kbps": rate.kbps.map(|kbps| kbps.bps() / 1000),
        "buffer_size": buffer.size,
        "prefetch_threshold": buffer.prefetch_threshold,
        "width": stream.params.width, "height": stream.params.height,
        "framerate": stream.params.framerate,
        "use_progressive_loading": stream.params.use_progressive_loading,
        "ice_servers": stream.params.ice_servers,
        "benchmark": stream.params.benchmark,
        "looping": stream.params.looping,
        "whep_url": format!("/whep/{}", stream.id),
        "mjpeg_url": format!("/streams/{}.mjpg", stream.id),
        "snapshot_url": format!("/streams/{}.jpg", stream.id),
        "created_at": rfc3339(stream.created_at),
        "viewers": viewers,
    });
    if let (StreamState::Failed(error), Some(object)) = (state, json.as_object_mut()) {
        object.insert("error".to_owned(), Value::String(error));
    }
    json
}

/// A stream's metrics at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Metrics {
    pub(crate) time: String,
    pub(crate) uptime_seconds: f64,
    pub(crate) state: &'static str,
    pub(crate) buffer: BufferMetrics,
    pub(crate) performance: Performance,
    pub(crate) optimizer: Optimizer,
    pub(crate) network: Network,
    pub(crate) timing: Timing,
    pub(crate) loading: Option<Loading>,
    pub(crate) viewers: Vec<ViewerSnapshot>,
    pub(crate) mjpeg: Pictures,
}

/// How encodes are shared.
#[derive(Debug, Serialize)]
pub(crate) struct Optimizer {
    #[serde(flatten)]
    pub(crate) cache: EncodeStats,
    /// Of all viewers and MJPEG clients that are there or were.
    pub(crate) quality_changes: u64,
}

/// The MJPEG clients.
#[derive(Debug, Serialize)]
pub(crate) struct Pictures {
    pub(crate) clients: Vec<PictureSnapshot>,
    #[serde(flatten)]
    pub(crate) totals: PictureTotals,
}

#[derive(Debug, Serialize)]
pub(crate) struct Performance {
    pub(crate) source_fps: f64,
    pub(crate) released_fps: f64,
    pub(crate) delivered_fps: f64,
    pub(crate) bitrate_bps: f64,
    pub(crate) frames_decoded: u64,
    pub(crate) frames_released: u64,
    pub(crate) decode_errors: u64,
    pub(crate) encodes: u64,
    pub(crate) encode_cache_hits: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Network {
    pub(crate) rtt_ms: Option<f64>,
    pub(crate) buffered_bytes: usize,
    #[serde(flatten)]
    pub(crate) totals: Totals,
}

#[derive(Debug, Serialize)]
pub(crate) struct Timing {
    decode_ms: TimingSummary,
    encode_ms: jpeg_optimizer::Percentiles,
    send_ms: TimingSummary,
    ack_ms: TimingSummary,
}

#[derive(Debug, Serialize)]
pub(crate) struct Loading {
    fetched_bytes: u64,
    total_bytes: u64,
    bytes_per_second: u64,
    held_ahead_bytes: u64,
    chunk_bytes: u64,
    bandwidth_bytes_per_second: Option<u64>,
    playback_bytes_per_second: Option<u64>,
    underrun_in_ms: Option<u64>,
}

impl From<LoadSnapshot> for Loading {
    fn from(load: LoadSnapshot) -> Self {
        Self {
            fetched_bytes: load.fetched_bytes,
            total_bytes: load.total_bytes,
            bytes_per_second: load.bytes_per_second,
            held_ahead_bytes: load.held_ahead_bytes,
            chunk_bytes: load.chunk_bytes,
            bandwidth_bytes_per_second: load.bandwidth_bytes_per_second,
            playback_bytes_per_second: load.playback_bytes_per_second,
            underrun_in_ms: load.underrun_in_ms,
        }
    }
}

/// Everything that `GET …/metrics` and `/events` tell.
pub(crate) async fn metrics(stream: &Arc<Stream>, now: Instant) -> Metrics {
    let (state, buffer) = {
        let playback = stream.playback();
        (playback.state.name(), playback.ring.metrics())
    };
    let viewers = viewers(stream, now).await;
    let cache = stream.cache.stats();
    let mut meters = lock(&stream.meters);
    let performance = Performance {
        source_fps: stream.info.frame_rate,
        released_fps: meters.released.per_second(now),
        delivered_fps: meters.delivered.per_second(now),
        bitrate_bps: 8.0 * meters.delivered_bytes.per_second(now),
        frames_decoded: meters.decoded.total(),
        frames_released: meters.released.total(),
        decode_errors: meters.decode_errors,
        encodes: cache.misses,
        encode_cache_hits: cache.hits,
    };
    let timing = Timing {
        decode_ms: meters.decode.summary(),
        encode_ms: cache.encode_ms,
        send_ms: slowest(viewers.iter().map(|viewer| viewer.send_ms)),
        ack_ms: slowest(viewers.iter().map(|viewer| viewer.ack_ms)),
    };
    drop(meters);
    let (network, mjpeg) = (network(stream, &viewers), pictures(stream, now));
    Metrics {
        time: rfc3339(SystemTime::now()),
        uptime_seconds: now.saturating_duration_since(stream.started).as_secs_f64(),
        state,
        buffer,
        performance,
        optimizer: Optimizer {
            cache,
            quality_changes: network.totals.quality_changes + mjpeg.totals.quality_changes,
        },
        network,
        timing,
        loading: stream
            .progress
            .as_ref()
            .map(|progress| progress.snapshot().into()),
        viewers,
        mjpeg,
    }
}

/// The MJPEG clients, in the order they came, and the sums over them and those that have left.
fn pictures(stream: &Stream, now: Instant) -> Pictures {
    let clients = stream.pictures();
    let mut totals = *lock(&stream.pictures_left);
    clients
        .iter()
        .for_each(|client| totals.add(&client.totals()));
    Pictures {
        clients: clients.iter().map(|client| client.snapshot(now)).collect(),
        totals,
    }
}

/// The stream's viewers, in the order they came.
pub(crate) async fn viewers(stream: &Arc<Stream>, now: Instant) -> Vec<ViewerSnapshot> {
    let mut snapshots = Vec::new();
    for viewer in stream.viewers() {
        let session = match viewer.carrier_seat() {
            Some(seat) => stream.endpoints.stats(&seat).await,
            None => None,
        };
        snapshots.push(viewer.snapshot(now, session.as_ref()));
    }
    snapshots.sort_by_key(|viewer| viewer.number);
    snapshots
}

/// Sums over the present viewers and those that have left; the RTT is the present viewers' median.
fn network(stream: &Stream, viewers: &[ViewerSnapshot]) -> Network {
    let mut totals = *lock(&stream.left);
    viewers.iter().for_each(|viewer| totals.add(&viewer.totals));
    let buffered_bytes = viewers.iter().map(|viewer| viewer.buffered_bytes).sum();
    let mut rtts: Vec<f64> = viewers.iter().filter_map(|viewer| viewer.rtt_ms).collect();
    rtts.sort_by(f64::total_cmp);
    Network {
        rtt_ms: rtts.get(rtts.len() / 2).copied(),
        buffered_bytes,
        totals,
    }
}

/// The viewer that waits longest speaks for all: a mean would hide it.
fn slowest(each: impl Iterator<Item = TimingSummary>) -> TimingSummary {
    each.max_by(|a, b| a.p95.total_cmp(&b.p95))
        .unwrap_or_default()
}

/// `2026-01-31T12:34:56.789Z` (RFC 3339), from days since the epoch by the civil calendar
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        since.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    #[test]
    fn times_are_rfc_3339_over_leap_days_and_centuries() {
        let at = |seconds: u64| {
            super::rfc3339(SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 5))
        };
        assert_eq!(at(0), "1970-01-01T00:00:00.005Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.005Z");
        assert_eq!(at(1_709_164_799), "2024-02-28T23:59:59.005Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.005Z");
    }
}
