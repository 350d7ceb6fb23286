//! What one MJPEG client is given: the newest frame whenever its socket has taken the one before.
//!
//! Fed by the stream's latest frame; feeds [`super::mjpeg`] with JPEGs. A client that reads slowly skips frames and costs
//! the others nothing; one that stops reading costs no encode and is closed.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use jpeg_optimizer::{EncodedJpeg, Quality, SameFrames};
use tokio::sync::watch;

use crate::http_socket::{SendMeter, SendSide};
use crate::model::picture_client::PictureClient;
use crate::model::rate::ClientWish;
use crate::model::stream::{JoinError, Stream, lock};
use crate::pipeline::fanout::{Released, encode_for, encoded_for};

/// A picture that stands is sent again after so long, so that nobody takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Between two looks at a client's socket.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// One HTTP client; while it lives, the stream counts as watched.
pub(super) struct PictureFeed {
    stream: Arc<Stream>,
    client: Arc<PictureClient>,
    frames: watch::Receiver<Option<Released>>,
    same: SameFrames,
    socket: Option<Watched>,
    /// The flushes before the last JPEG was given away.
    given: Option<u64>,
}

/// A client's socket, looked at by a task of its own.
struct Watched {
    side: SendSide,
    meter: Arc<Mutex<SendMeter>>,
}

impl PictureFeed {
    /// The client's socket comes with how long it may take nothing before it is closed.
    ///
    /// # Errors
    /// The stream has as many clients as it serves.
    pub(super) fn join(
        stream: Arc<Stream>,
        wish: ClientWish,
        socket: Option<(SendSide, Duration)>,
    ) -> Result<Self, JoinError> {
        let client = stream.join_picture(wish)?;
        let mut frames = stream.latest.subscribe();
        // The last frame counts as new to a client that has just come.
        frames.mark_changed();
        let socket = socket.map(|(side, limit)| Watched::start(side, limit, &client, &stream));
        Ok(Self {
            stream,
            client,
            frames,
            same: SameFrames::new(KEEP_ALIVE),
            socket,
            given: None,
        })
    }

    pub(super) fn stream_id(&self) -> &str {
        &self.stream.id
    }

    /// The next JPEG; `None` when the stream has stopped.
    pub(super) async fn next(&mut self) -> Option<(Released, EncodedJpeg)> {
        let late = self.room().await?;
        loop {
            let released = self.newest().await?;
            let Some(quality) = self.client.wants(Instant::now(), self.stream.rate()) else {
                continue;
            };
            let Some(jpeg) = self.encoded(&released, quality).await? else {
                continue;
            };
            let now = Instant::now();
            if !self.same.takes(now, &jpeg) {
                self.client.shows_the_same();
                continue;
            }
            self.client.sent(now, released.frame.id, &jpeg, late);
            let meters = &self.stream.meters;
            lock(meters)
                .delivered_bytes
                .add(now, jpeg.bytes.len() as u64);
            self.given = self.socket.as_ref().map(|socket| socket.given(now));
            return Some((released, jpeg));
        }
    }

    /// Waits until the socket has taken what it was given; whether that took longer than a frame lasts.
    async fn room(&self) -> Option<bool> {
        let (Some(socket), Some(mark)) = (&self.socket, self.given) else {
            return Some(false);
        };
        let began = Instant::now();
        tokio::select! {
            () = socket.side.all_taken_since(mark) => {}
            () = self.stream.stopped() => return None,
        }
        Some(began.elapsed() > self.stream.mean_frame_duration())
    }

    /// The newest frame that this client has not had.
    async fn newest(&mut self) -> Option<Released> {
        loop {
            if self.stream.is_stopped() {
                return None;
            }
            tokio::select! {
                changed = self.frames.changed() => changed.ok()?,
                () = self.stream.stopped() => return None,
            }
            let frame = self.frames.borrow_and_update().clone();
            if frame.is_some() {
                return frame;
            }
        }
    }

    /// `Some(None)`: this frame cannot be encoded, the next one may be.
    async fn encoded(&self, released: &Released, quality: Quality) -> Option<Option<EncodedJpeg>> {
        if let Some(jpeg) = encoded_for(&self.stream, released, quality) {
            return Some(Some(jpeg));
        }
        let (stream, frame) = (Arc::clone(&self.stream), released.clone());
        // An encode takes milliseconds: not on the runtime's own threads.
        let encoded = tokio::task::spawn_blocking(move || encode_for(&stream, &frame, quality));
        match encoded.await.ok()? {
            Ok(jpeg) => Some(Some(jpeg)),
            Err(error) => {
                tracing::warn!(stream = %self.stream.id, %error, "a frame was not encoded");
                Some(None)
            }
        }
    }
}

impl Drop for PictureFeed {
    fn drop(&mut self) {
        self.stream.leave_picture(&self.client);
    }
}

impl Watched {
    fn start(
        side: SendSide,
        stall_limit: Duration,
        client: &Arc<PictureClient>,
        stream: &Arc<Stream>,
    ) -> Self {
        side.prefer_fresh();
        let meter = Arc::new(Mutex::new(SendMeter::new(Instant::now())));
        let watched = look(
            side.clone(),
            stall_limit,
            Arc::clone(&meter),
            Arc::downgrade(client),
            Arc::downgrade(stream),
        );
        tokio::spawn(watched);
        Self { side, meter }
    }

    /// A JPEG is on its way; the mark to wait for.
    fn given(&self, now: Instant) -> u64 {
        let mark = self.side.mark();
        lock(&self.meter).offered(now, mark);
        mark
    }
}

/// Looks at a client's socket until it is gone, and closes it when nobody reads at its other end.
async fn look(
    side: SendSide,
    stall_limit: Duration,
    meter: Arc<Mutex<SendMeter>>,
    client: Weak<PictureClient>,
    stream: Weak<Stream>,
) {
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let (Some(client), Some(stream)) = (client.upgrade(), stream.upgrade()) else {
            return;
        };
        let Some(state) = side.state() else {
            return;
        };
        let mut meter = lock(&meter);
        let sample = meter.sample(now, state);
        let stalled = meter.stalled_for(now) >= stall_limit;
        drop(meter);
        client.observe(now, sample);
        if stalled {
            tracing::info!(stream = %stream.id, client = client.id, "an MJPEG client reads nothing; closing it");
            client.stalled();
            return side.abort();
        }
    }
}
