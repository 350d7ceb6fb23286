//! One stream: what it plays, how it stands, and the ring between its two threads.
//!
//! [`crate::pipeline::producer`] fills the ring, [`crate::pipeline::releaser`] empties it; controllers read
//! and change the rest. Every lock here is held for microseconds, never across a decode, an encode or an await.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use datachannel_transport::{LaneId, TimingWindow};
use frame_buffer::{BufferConfig, OverflowPolicy, RingBuffer};
use jpeg_optimizer::{EncodeCache, SizeModel, StreamKey, StreamingConfig};
use media_source::VideoInfo;
use progressive_loader::driver::LoadProgress;
use tokio::sync::watch;

use super::meters::RateMeter;
use super::params::{StreamChange, StreamParams};
use super::picture_client::{PictureClient, PictureTotals};
use super::rate::{ClientRate, ClientWish, StreamRate};
use super::viewer::{Totals, Viewer, ViewerId};
use crate::lanes::choice::LaneKind;
use crate::lanes::seat::{Endpoints, Seat};
use crate::pipeline::fanout::Released;

/// A stream's name in URLs: lower-case letters, digits and `-`.
pub(crate) type StreamId = String;

/// The most viewers of one stream, over all transports.
pub const MAX_VIEWERS_PER_STREAM: usize = 512;

/// How a stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamState {
    /// Filling the ring up to the prefetch threshold.
    Starting,
    /// Frames go out at the content's own rate.
    Playing,
    /// Nobody watches: the position is held, the ring is full, the next viewer gets the next frame.
    Paused,
    /// The last frame went out; the next viewer starts it again.
    Ended,
    /// The source broke; says how.
    Failed(String),
}

impl StreamState {
    /// The state's name in JSON.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Playing => "playing",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Failed(_) => "failed",
        }
    }
}

/// The part of a stream that its two threads share.
#[derive(Debug)]
pub(crate) struct Playback {
    pub(crate) ring: RingBuffer,
    pub(crate) state: StreamState,
    /// Set once, when the stream is deleted.
    pub(crate) stopped: bool,
    /// Set when an ended stream has a viewer again: the producer rewinds.
    pub(crate) restart: bool,
    /// Viewers whose channel is open, and MJPEG clients.
    pub(crate) watching: usize,
    /// Viewers whose channel has just opened: they get the frame released last, at once.
    pub(crate) newcomers: Vec<ViewerId>,
}

/// What a page asks for with each of its lanes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ViewerWish {
    /// What it calls its link, so that its lanes find each other.
    pub(crate) link: Option<u64>,
    /// That of the first lane counts.
    pub(crate) rate: ClientWish,
}

/// A session's place.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) viewer: Arc<Viewer>,
    pub(crate) lane: LaneId,
    /// The session whose lane this one takes over.
    pub(crate) replaced: Option<Seat>,
}

/// Why a session gets no place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    #[error("this stream has {MAX_VIEWERS_PER_STREAM} viewers, the most it serves; try later")]
    Full,
    #[error(transparent)]
    Link(#[from] datachannel_transport::ConfigError),
}

/// What the pipeline counts.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(crate) decoded: RateMeter,
    pub(crate) released: RateMeter,
    pub(crate) delivered: RateMeter,
    pub(crate) delivered_bytes: RateMeter,
    pub(crate) decode: TimingWindow,
    pub(crate) decode_errors: u64,
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) params: StreamParams,
    pub(crate) created_at: SystemTime,
    pub(crate) started: Instant,
    pub(crate) info: VideoInfo,
    pub(crate) progress: Option<LoadProgress>,
    playback: Mutex<Playback>,
    /// Signalled when the ring has room, or the stream stops or restarts.
    pub(crate) room: Condvar,
    /// Signalled when the ring has frames, somebody watches, or the stream stops.
    pub(crate) frames: Condvar,
    rate: Mutex<StreamRate>,
    viewers: Mutex<Vec<Arc<Viewer>>>,
    pub(crate) meters: Mutex<Meters>,
    /// The frame released last, for viewers that come between two frames and for MJPEG clients.
    pub(crate) latest: watch::Sender<Option<Released>>,
    /// Tells async tasks that the stream was deleted.
    stop_signal: watch::Sender<bool>,
    next_viewer: AtomicU64,
    /// Every viewer's encodes, once per quality.
    pub(crate) cache: EncodeCache,
    pub(crate) cache_key: StreamKey,
    /// How encodes are shared and qualities chosen.
    pub(crate) optimizer: StreamingConfig,
    /// What a frame costs at each quality; one, for all of a stream's clients get one size.
    pub(crate) sizes: Arc<SizeModel>,
    /// MJPEG clients.
    pictures: Mutex<Vec<Arc<PictureClient>>>,
    /// What MJPEG clients that have left had counted.
    pub(crate) pictures_left: Mutex<PictureTotals>,
    /// What viewers that have left had counted.
    pub(crate) left: Mutex<Totals>,
    /// Where the stream's sessions live, to be woken and closed.
    pub(crate) endpoints: Endpoints,
    pub(crate) failure: OnceLock<String>,
}

/// A lock whose holder panicked still guards sound data here: every critical section leaves it consistent.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    pub(crate) fn new(
        id: StreamId,
        params: StreamParams,
        opened: (VideoInfo, Option<LoadProgress>),
        optimizer: StreamingConfig,
        endpoints: Endpoints,
        now: Instant,
    ) -> Result<Self, frame_buffer::ConfigError> {
        let config = BufferConfig::new(
            params.buffer_size,
            params.prefetch_threshold,
            OverflowPolicy::Wait,
        )?;
        let meter = || RateMeter::new(now);
        Ok(Self {
            id,
            rate: Mutex::new(StreamRate {
                quality: params.quality,
                kbps: params.kbps,
            }),
            params,
            created_at: SystemTime::now(),
            started: now,
            info: opened.0,
            progress: opened.1,
            playback: Mutex::new(Playback {
                ring: RingBuffer::new(config),
                state: StreamState::Starting,
                stopped: false,
                restart: false,
                watching: 0,
                newcomers: Vec::new(),
            }),
            room: Condvar::new(),
            frames: Condvar::new(),
            viewers: Mutex::new(Vec::new()),
            meters: Mutex::new(Meters {
                decoded: meter(),
                released: meter(),
                delivered: meter(),
                delivered_bytes: meter(),
                decode: TimingWindow::default(),
                decode_errors: 0,
            }),
            latest: watch::Sender::new(None),
            stop_signal: watch::Sender::new(false),
            next_viewer: AtomicU64::new(1),
            cache: jpeg_optimizer::driver::encode_cache(optimizer.cache()),
            cache_key: StreamKey::unique(),
            optimizer,
            sizes: Arc::new(SizeModel::new()),
            pictures: Mutex::default(),
            pictures_left: Mutex::default(),
            left: Mutex::new(Totals::default()),
            endpoints,
            failure: OnceLock::new(),
        })
    }

    pub(crate) fn playback(&self) -> MutexGuard<'_, Playback> {
        lock(&self.playback)
    }

    pub(crate) fn rate(&self) -> StreamRate {
        *lock(&self.rate)
    }

    /// The rate of a client that asks for this.
    pub(crate) fn client_rate(&self, wish: ClientWish) -> ClientRate {
        ClientRate::new(&self.optimizer, Arc::clone(&self.sizes), wish)
    }

    /// Applies a checked change at once.
    pub(crate) fn change(&self, change: StreamChange) -> Result<(), frame_buffer::ConfigError> {
        let mut playback = self.playback();
        if let Some(threshold) = change.prefetch_threshold {
            playback.ring.set_prefetch_threshold(threshold)?;
        }
        if let Some(size) = change.buffer_size {
            playback.ring.set_size(size)?;
        }
        drop(playback);
        let mut rate = lock(&self.rate);
        rate.quality = change.quality.unwrap_or(rate.quality);
        rate.kbps = change.kbps.unwrap_or(rate.kbps);
        drop(rate);
        self.room.notify_all();
        self.frames.notify_all();
        Ok(())
    }

    /// Ends both threads. Viewers are told by the registry.
    pub(crate) fn stop(&self) {
        self.playback().stopped = true;
        self.room.notify_all();
        self.frames.notify_all();
        self.latest.send_replace(None);
        self.stop_signal.send_replace(true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop_signal.borrow()
    }

    /// Done once the stream was deleted.
    pub(crate) async fn stopped(&self) {
        let _ = self
            .stop_signal
            .subscribe()
            .wait_for(|stopped| *stopped)
            .await;
    }

    /// The source broke for good.
    pub(crate) fn fail(&self, error: String) {
        let mut playback = self.playback();
        playback.state = StreamState::Failed(error);
        drop(playback);
        self.frames.notify_all();
    }

    /// Somebody began to watch: playback starts, goes on, or starts again. A viewer that is named gets the frame
    /// released last at once.
    pub(crate) fn begin_watching(&self, newcomer: Option<ViewerId>) {
        let mut playback = self.playback();
        playback.watching += 1;
        playback.newcomers.extend(newcomer);
        if playback.state == StreamState::Ended {
            playback.restart = true;
            playback.state = StreamState::Starting;
        }
        drop(playback);
        self.room.notify_all();
        self.frames.notify_all();
    }

    pub(crate) fn end_watching(&self) {
        let mut playback = self.playback();
        playback.watching = playback.watching.saturating_sub(1);
    }

    /// Gives a new session its place: a lane of the viewer whose page called its link so, or of a new viewer.
    pub(crate) fn join(
        self: &Arc<Self>,
        kind: LaneKind,
        wish: ViewerWish,
        clock: Instant,
    ) -> Result<Place, JoinError> {
        let now = Instant::now();
        let mut viewers = lock(&self.viewers);
        let known = viewers.iter().find(|viewer| viewer.is_called(wish.link));
        let joined =
            known.and_then(|viewer| Some((Arc::clone(viewer), viewer.add_lane(now, kind)?)));
        if let Some((viewer, (lane, replaced))) = joined {
            return Ok(Place {
                viewer,
                lane,
                replaced,
            });
        }
        if viewers.len() + lock(&self.pictures).len() >= MAX_VIEWERS_PER_STREAM {
            return Err(JoinError::Full);
        }
        let id = self.next_viewer.fetch_add(1, Ordering::Relaxed);
        let wish = (wish.link, self.client_rate(wish.rate));
        let viewer = Arc::new(Viewer::new(id, wish, Arc::downgrade(self), clock, now)?);
        let (lane, replaced) = viewer.add_lane(now, kind).ok_or(JoinError::Full)?;
        viewers.push(Arc::clone(&viewer));
        Ok(Place {
            viewer,
            lane,
            replaced,
        })
    }

    /// Takes an MJPEG client in; while it is there, the stream counts as watched.
    pub(crate) fn join_picture(&self, wish: ClientWish) -> Result<Arc<PictureClient>, JoinError> {
        let viewers = lock(&self.viewers);
        let mut pictures = lock(&self.pictures);
        if viewers.len() + pictures.len() >= MAX_VIEWERS_PER_STREAM {
            return Err(JoinError::Full);
        }
        let id = self.next_viewer.fetch_add(1, Ordering::Relaxed);
        let client = Arc::new(PictureClient::new(
            id,
            self.client_rate(wish),
            Instant::now(),
        ));
        pictures.push(Arc::clone(&client));
        drop((viewers, pictures));
        self.begin_watching(None);
        Ok(client)
    }

    /// An MJPEG client has left; its counts stay.
    pub(crate) fn leave_picture(&self, client: &PictureClient) {
        lock(&self.pictures).retain(|known| known.id != client.id);
        lock(&self.pictures_left).add(&client.totals());
        self.end_watching();
    }

    pub(crate) fn pictures(&self) -> Vec<Arc<PictureClient>> {
        lock(&self.pictures).clone()
    }

    pub(crate) fn remove_viewer(&self, id: ViewerId) -> Option<Arc<Viewer>> {
        let mut viewers = lock(&self.viewers);
        let index = viewers.iter().position(|viewer| viewer.id == id)?;
        Some(viewers.swap_remove(index))
    }

    pub(crate) fn viewers(&self) -> Vec<Arc<Viewer>> {
        lock(&self.viewers).clone()
    }

    pub(crate) fn viewer(&self, id: ViewerId) -> Option<Arc<Viewer>> {
        lock(&self.viewers)
            .iter()
            .find(|viewer| viewer.id == id)
            .cloned()
    }

    /// Calls `each` for every viewer, without copying the list; `each` must be quick and must not add or remove one.
    pub(crate) fn for_each_viewer(&self, mut each: impl FnMut(&Arc<Viewer>)) {
        lock(&self.viewers).iter().for_each(&mut each);
    }

    /// How long a frame of this stream lasts on average; a stall is told in such steps.
    pub(crate) fn mean_frame_duration(&self) -> Duration {
        let rate = self.info.frame_rate;
        if rate.is_finite() && rate > 0.1 {
            Duration::from_secs_f64(1.0 / rate)
        } else {
            Duration::from_millis(40)
        }
    }
}
