//! The worker's links by name: made, joined, replaced, forgotten.
//!
//! Fed by `routes` with offers; holds what a link needs to live on when its sessions die. Bounded: so many links, each for
//! so long without a session.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datachannel_transport::{GoodbyeCode, LaneId};
use frame_pipeline::driver::{Pipeline, Stages};
use frame_pipeline::{DataOutput, EncoderFactory, PipelineConfig, ProcessorFactory};
use jpeg_optimizer::Quality;

use super::link::{JpegPictures, LinkSnapshot, PictureStream, Planes, WorkerLink};
use super::payloads::Decoders;
use crate::lanes::port::Port;
use crate::lanes::seat::Seat;
use crate::process::protocol::{LinkQuery, MAX_LANES, PictureEncoding, ProcessMode};

/// Links at a time, each with threads of its own.
pub(super) const MAX_LINKS: usize = 16;
/// A link without a session is kept this long for its sender to come back.
pub(super) const LINGER: Duration = Duration::from_secs(300);

/// A link that nobody came to is kept this long: a browser's first connection may take as much on a bad path.
const UNUSED: Duration = Duration::from_secs(15);
/// Sessions known before those whose lane is gone are looked for: those of all links, and as many that died since the last
/// look.
const MAX_SESSIONS: usize = 2 * MAX_LINKS * MAX_LANES as usize;

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
    pub(super) port: Arc<Port<WorkerLink>>,
    pub(super) lane: LaneId,
    /// Sessions whose lane this one takes over.
    pub(super) replaced: Vec<Seat>,
    /// Sessions of the link of that name that was here before, which has been said goodbye to.
    pub(super) superseded: Vec<Seat>,
}

#[derive(Default)]
struct Table {
    links: HashMap<u64, Entry>,
    sessions: HashMap<LaneId, Seat>,
}

struct Entry {
    epoch: u32,
    port: Arc<Port<WorkerLink>>,
}

/// All links.
pub(super) struct Links {
    work: Work,
    table: Mutex<Table>,
    lanes_made: AtomicU32,
    links_made: AtomicU32,
    nameless: AtomicU32,
    /// Links that ended before their time.
    broken: AtomicU64,
}

impl Links {
    pub(super) fn new(work: Work) -> Self {
        Self {
            work,
            table: Mutex::default(),
            lanes_made: AtomicU32::new(0),
            links_made: AtomicU32::new(0),
            nameless: AtomicU32::new(0),
            broken: AtomicU64::new(0),
        }
    }

    /// Sessions that were given a lane, and links that were made, since the start.
    pub(super) fn made(&self) -> (u64, u64) {
        let count = |of: &AtomicU32| u64::from(of.load(Ordering::Relaxed));
        (count(&self.lanes_made), count(&self.links_made))
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
        if table.sessions.len() >= MAX_SESSIONS {
            table.forget_sessions();
        }
        let (port, superseded) = if query.attach {
            (table.known(query)?, Vec::new())
        } else {
            self.make(now, query, &mut table)?
        };
        let lane = LaneId(self.lanes_made.fetch_add(1, Ordering::Relaxed));
        port.join(now, lane, query.lane);
        let replaced = port.numbered(query.lane, lane);
        let replaced = replaced
            .iter()
            .filter_map(|lane| table.sessions.remove(lane));
        Ok(Place {
            replaced: replaced.collect(),
            superseded,
            port,
            lane,
        })
    }

    /// Makes the link of a sender's next video on the lanes of the one before. Said twice, it is done once.
    pub(super) fn take_over(&self, now: Instant, query: &LinkQuery) -> Result<(), JoinError> {
        let Some(after) = query.after else {
            let why = "after=EPOCH names the link whose lanes this one takes over";
            return Err(JoinError::BadQuery(why.to_owned()));
        };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget_idle(now);
        if table.known(query).is_ok() {
            return Ok(());
        }
        let before = LinkQuery {
            epoch: after,
            ..query.clone()
        };
        let port = table.known(&before)?;
        let link = self.link(now, query)?;
        if let Some(entry) = query.link.and_then(|name| table.links.get_mut(&name)) {
            entry.epoch = query.epoch;
        }
        let former = port.hand_over(now, &link, false);
        drop(table);
        // Its threads end, which may take as long as what they are at.
        drop(former);
        Ok(())
    }

    /// Whether the link that `query` names is here.
    pub(super) fn knows(&self, query: &LinkQuery) -> Result<(), JoinError> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.known(query).map(|_| ())
    }

    /// A new link, and the sessions of the one that it takes the place of: were they left to their peer, it could have as
    /// many links at work as sessions.
    fn make(
        &self,
        now: Instant,
        query: &LinkQuery,
        table: &mut Table,
    ) -> Result<(Arc<Port<WorkerLink>>, Vec<Seat>), JoinError> {
        let name = query.link.unwrap_or_else(|| {
            // Nobody can name it again: any number that is free.
            u64::MAX - u64::from(self.nameless.fetch_add(1, Ordering::Relaxed))
        });
        let mut superseded = Vec::new();
        if let Some(old) = table.links.remove(&name) {
            let why = "a later link of the same sender took its place";
            old.port.link().goodbye(now, GoodbyeCode::Done, why);
            superseded = table.seats_of(&[old.port]);
        }
        if table.links.len() >= MAX_LINKS {
            return Err(JoinError::TooMany);
        }
        let port = Arc::new(Port::new(self.link(now, query)?));
        let entry = Entry {
            epoch: query.epoch,
            port: Arc::clone(&port),
        };
        table.links.insert(name, entry);
        Ok((port, superseded))
    }

    /// A link and what works on its frames.
    fn link(&self, now: Instant, query: &LinkQuery) -> Result<Arc<WorkerLink>, JoinError> {
        let holds = self.work.pipeline.workers * self.work.pipeline.batch;
        let link = WorkerLink::new(now, query, u32::try_from(holds).unwrap_or(u32::MAX))
            .map_err(|error| JoinError::BadQuery(error.to_string()))?;
        let link = Arc::new(link);
        link.set_pipeline(self.pipeline(query, &link)?);
        self.links_made.fetch_add(1, Ordering::Relaxed);
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
        let on_result = WorkerLink::on_result(&Arc::downgrade(link), PictureStream::of(query));
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

    /// Lets go of links that nobody will come back to, that nobody came to, and that are broken; what still carries the
    /// latter two is the caller's to close.
    pub(super) fn sweep(&self, now: Instant) -> Vec<Seat> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = table.take(WorkerLink::is_broken);
        self.broken
            .fetch_add(broken.len() as u64, Ordering::Relaxed);
        let unused = now.checked_sub(UNUSED).map_or_else(Vec::new, |since| {
            table.take(|link: &WorkerLink| link.is_unused(since))
        });
        let seats = table.seats_of(&[broken, unused].concat());
        table.forget_idle(now);
        table.forget_sessions();
        seats
    }

    /// Links that ended before their time: their sender broke the protocol, or their pipeline failed.
    pub(super) fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }

    /// Tells every sender that this worker goes down.
    pub(super) fn goodbye(&self, now: Instant) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in table.links.values() {
            let text = "the worker is going down";
            let link = entry.port.link();
            link.goodbye(now, GoodbyeCode::ShuttingDown, text);
        }
    }

    pub(super) fn snapshots(&self, now: Instant) -> Vec<LinkSnapshot> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table
            .links
            .values()
            .map(|entry| entry.port.link().snapshot(now))
            .collect()
    }
}

impl Table {
    fn known(&self, query: &LinkQuery) -> Result<Arc<Port<WorkerLink>>, JoinError> {
        let Some(link) = query.link else {
            return Err(JoinError::BadQuery(
                "attach=true needs link=NUMBER".to_owned(),
            ));
        };
        let known = self.links.get(&link);
        known
            .filter(|entry| entry.epoch == query.epoch)
            .map(|entry| Arc::clone(&entry.port))
            .ok_or(JoinError::Unknown {
                link,
                epoch: query.epoch,
            })
    }

    fn forget_idle(&mut self, now: Instant) {
        let Some(before) = now.checked_sub(LINGER) else {
            return;
        };
        self.links
            .retain(|_, entry| !entry.port.link().is_over(before));
    }

    fn take(&mut self, which: impl Fn(&WorkerLink) -> bool) -> Vec<Arc<Port<WorkerLink>>> {
        let taken = self.links.extract_if(|_, entry| which(&entry.port.link()));
        taken.map(|(_, entry)| entry.port).collect()
    }

    /// What carries these links, which are in the table no more.
    fn seats_of(&mut self, links: &[Arc<Port<WorkerLink>>]) -> Vec<Seat> {
        let lanes = links.iter().flat_map(|link| link.lanes());
        let seats = lanes.filter_map(|lane| self.sessions.remove(&lane));
        seats.collect()
    }

    /// Lanes that are gone need no closing any more.
    fn forget_sessions(&mut self) {
        let links = self.links.values();
        let lanes: HashSet<LaneId> = links.flat_map(|entry| entry.port.lanes()).collect();
        self.sessions.retain(|lane, _| lanes.contains(lane));
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
    Ok(Some(match query.picture_encoding {
        PictureEncoding::Jpeg => Arc::new(JpegPictures::new(quality)),
        PictureEncoding::H264 => Arc::new(Planes),
    }))
}

/// `none`, `all`, or the fields to keep.
fn data_output(wish: Option<&str>) -> DataOutput {
    match wish {
        None | Some("all" | "") => DataOutput::All,
        Some("none") => DataOutput::None,
        Some(fields) => DataOutput::Fields(fields.split(',').map(str::to_owned).collect()),
    }
}
