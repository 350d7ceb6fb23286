//! The worker's links by name: made, joined, replaced, forgotten.
//!
//! Fed by `routes` with offers; holds what a link needs to live on when its sessions die. Bounded: so many links, each for
//! so long without a session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datachannel_transport::{GoodbyeCode, LaneId};
use frame_pipeline::driver::{Pipeline, Stages};
use frame_pipeline::{DataOutput, EncoderFactory, PipelineConfig, ProcessorFactory};
use jpeg_optimizer::Quality;

use super::link::{JpegPictures, LinkSnapshot, WorkerLink};
use super::payloads::Decoders;
use crate::lanes::seat::Seat;
use crate::process::protocol::{LinkQuery, MAX_LANES, ProcessMode};

/// Links at a time, each with threads of its own.
pub(super) const MAX_LINKS: usize = 16;
/// A link without a session is kept this long for its sender to come back.
pub(super) const LINGER: Duration = Duration::from_secs(300);

/// What every link of a worker has in common.
pub(super) struct Work {
    pub(super) pipeline: PipelineConfig,
    pub(super) processors: Vec<Arc<dyn ProcessorFactory>>,
}

/// Why a session cannot be given a link.
#[derive(Debug, thiserror::Error)]
pub(super) enum JoinError {
    #[error(
        "there is no link {link} of epoch {epoch} here: this worker was started since; begin a new one"
    )]
    Unknown { link: u64, epoch: u32 },
    #[error("this worker serves {MAX_LINKS} senders at a time; try later")]
    TooMany,
    #[error("{0}")]
    BadQuery(String),
    #[error("the pipeline cannot be started: {0}")]
    Pipeline(String),
}

/// A session's place.
pub(super) struct Place {
    pub(super) link: Arc<WorkerLink>,
    pub(super) lane: LaneId,
    /// Sessions whose lane this one takes over.
    pub(super) replaced: Vec<Seat>,
}

#[derive(Default)]
struct Table {
    links: HashMap<u64, Entry>,
    sessions: HashMap<LaneId, Seat>,
}

struct Entry {
    epoch: u32,
    link: Arc<WorkerLink>,
}

/// All links.
pub(super) struct Links {
    work: Work,
    table: Mutex<Table>,
    lanes_made: AtomicU32,
    links_made: AtomicU32,
}

impl Links {
    pub(super) fn new(work: Work) -> Self {
        Self {
            work,
            table: Mutex::default(),
            lanes_made: AtomicU32::new(0),
            links_made: AtomicU32::new(0),
        }
    }

    /// Finds or makes the link that `query` names, with a lane in it for a new session.
    pub(super) fn join(&self, now: Instant, query: &LinkQuery) -> Result<Place, JoinError> {
        if query.lane >= MAX_LANES {
            let lane = query.lane;
            return Err(JoinError::BadQuery(format!(
                "lane is {lane}; it must be 0 to {}",
                MAX_LANES - 1
            )));
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget_idle(now);
        let link = if query.attach {
            table.known(query)?
        } else {
            self.make(now, query, &mut table)?
        };
        let lane = LaneId(self.lanes_made.fetch_add(1, Ordering::Relaxed));
        link.add_lane(lane, query.lane);
        let replaced = link.lanes_numbered(query.lane, lane);
        let replaced = replaced
            .iter()
            .filter_map(|lane| table.sessions.remove(lane));
        Ok(Place {
            replaced: replaced.collect(),
            link,
            lane,
        })
    }

    /// Whether the link that `query` names is here.
    pub(super) fn knows(&self, query: &LinkQuery) -> Result<(), JoinError> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.known(query).map(|_| ())
    }

    fn make(
        &self,
        now: Instant,
        query: &LinkQuery,
        table: &mut Table,
    ) -> Result<Arc<WorkerLink>, JoinError> {
        let name = query.link.unwrap_or_else(|| {
            // Nobody can name it again: any number that is free.
            u64::MAX - u64::from(self.links_made.fetch_add(1, Ordering::Relaxed))
        });
        if let Some(old) = table.links.remove(&name) {
            let superseded = "a later link of the same sender took its place";
            old.link.goodbye(now, GoodbyeCode::Done, superseded);
        }
        if table.links.len() >= MAX_LINKS {
            return Err(JoinError::TooMany);
        }
        let holds = self.work.pipeline.workers * self.work.pipeline.batch;
        let link = WorkerLink::new(now, query, u32::try_from(holds).unwrap_or(u32::MAX))
            .map_err(|error| JoinError::BadQuery(error.to_string()))?;
        let link = Arc::new(link);
        link.set_pipeline(self.pipeline(query, &link)?);
        let entry = Entry {
            epoch: query.epoch,
            link: Arc::clone(&link),
        };
        table.links.insert(name, entry);
        Ok(link)
    }

    fn pipeline(&self, query: &LinkQuery, link: &Arc<WorkerLink>) -> Result<Pipeline, JoinError> {
        let mut config = self.work.pipeline.clone();
        config.output = data_output(query.data_output.as_deref());
        let mut first_index = query.next_sequence;
        if query.mode == ProcessMode::Realtime {
            // What waits here cannot be replaced by what is newer.
            config.max_frames = (2 * config.workers * config.batch).min(config.max_frames);
            first_index = 0;
        }
        let stages = Stages {
            decoder: Arc::new(Decoders::new(link.units())),
            processors: self.work.processors.clone(),
            encoder: encoder(query)?,
        };
        let on_result = WorkerLink::on_result(&Arc::downgrade(link));
        Pipeline::start_stages(config, stages, first_index, on_result)
            .map_err(|error| JoinError::Pipeline(error.to_string()))
    }

    /// The session of a lane, once its offer is accepted.
    pub(super) fn seated(&self, lane: LaneId, session: Seat) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.sessions.insert(lane, session);
    }

    /// The session that a resource names.
    pub(super) fn session(&self, lane: LaneId) -> Option<Seat> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.sessions.get(&lane).cloned()
    }

    /// Lets go of links that nobody will come back to.
    pub(super) fn sweep(&self, now: Instant) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget_idle(now);
    }

    /// Tells every sender that this worker goes down.
    pub(super) fn goodbye(&self, now: Instant) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in table.links.values() {
            let text = "the worker is going down";
            entry.link.goodbye(now, GoodbyeCode::ShuttingDown, text);
        }
    }

    pub(super) fn snapshots(&self, now: Instant) -> Vec<LinkSnapshot> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table
            .links
            .values()
            .map(|entry| entry.link.snapshot(now))
            .collect()
    }
}

impl Table {
    fn known(&self, query: &LinkQuery) -> Result<Arc<WorkerLink>, JoinError> {
        let Some(link) = query.link else {
            return Err(JoinError::BadQuery(
                "attach=true needs link=NUMBER".to_owned(),
            ));
        };
        let known = self.links.get(&link);
        known
            .filter(|entry| entry.epoch == query.epoch)
            .map(|entry| Arc::clone(&entry.link))
            .ok_or(JoinError::Unknown {
                link,
                epoch: query.epoch,
            })
    }

    fn forget_idle(&mut self, now: Instant) {
        let Some(before) = now.checked_sub(LINGER) else {
            return;
        };
        self.links.retain(|_, entry| !entry.link.is_over(before));
        if self.links.is_empty() {
            self.sessions.clear();
        }
    }
}

/// What makes the pictures that go back, where they are asked for.
fn encoder(query: &LinkQuery) -> Result<Option<Arc<dyn EncoderFactory>>, JoinError> {
    let Some(quality) = query.pictures else {
        return Ok(None);
    };
    if query.link.is_none() {
        let why = "pictures are acknowledged as results are: name the link, with link=NUMBER";
        return Err(JoinError::BadQuery(why.to_owned()));
    }
    let quality = Quality::new(quality)
        .map_err(|error| JoinError::BadQuery(format!("pictures={quality}: {error}")))?;
    Ok(Some(Arc::new(JpegPictures::new(quality))))
}

/// `none`, `all`, or the fields to keep.
fn data_output(wish: Option<&str>) -> DataOutput {
    match wish {
        None | Some("all" | "") => DataOutput::All,
        Some("none") => DataOutput::None,
        Some(fields) => DataOutput::Fields(fields.split(',').map(str::to_owned).collect()),
    }
}
