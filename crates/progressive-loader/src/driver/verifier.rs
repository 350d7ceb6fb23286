//! Checks blocks away from the tasks that bring them; those that wait at the same time are hashed side by side.
//!
//! Fed by the pool's legs; answers each of them. Hashing runs on the runtime's blocking threads: on one, unless a
//! whole batch waits for it, because eight blocks side by side take less than half the time that two threads take
//! for them one by one.

use super::clock::now;
use crate::block::Block;
use crate::error::BlockError;
use crate::multihash::{verify, verify_each};
use crate::sha256::messages_in_one_go;
use cid::Cid;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// A smaller block is hashed sooner than it is handed over.
const SMALL_BYTES: usize = 16 << 10;

/// So often, and no longer once that has taken so long, others run first when a block would be hashed alone. On a core that nobody
/// else wants this takes some ten microseconds.
const MOST_TURNS: usize = 16;
const MOMENT: Duration = Duration::from_micros(100);

/// What waits is bounded by whoever asks: a block for each live call.
#[derive(Default)]
pub(super) struct Verifier {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    workers: usize,
}

struct Job {
    cid: Cid,
    block: Block,
    done: oneshot::Sender<Result<(), BlockError>>,
}

impl Verifier {
    /// Whether `block` is the one that `cid` names. Needs a tokio runtime. One that is dropped is not hashed any more.
    pub(super) async fn verify(&self, cid: Cid, block: Block) -> Result<(), BlockError> {
        if block.len() < SMALL_BYTES {
            return verify(&cid, block.pieces());
        }
        let (done, outcome) = oneshot::channel();
        let job = Job {
            cid,
            block: block.clone(),
            done,
        };
        if let Some(worker) = self.enqueue(job) {
            tokio::task::spawn_blocking(move || worker.run());
        }
        // Without an answer when the runtime ends before its thread began.
        outcome
            .await
            .unwrap_or_else(|_| verify(&cid, block.pieces()))
    }

    /// A worker to start, when there is none, or when the others have a whole batch before them.
    fn enqueue(&self, job: Job) -> Option<Worker> {
        let mut queue = lock(&self.queue);
        queue.waiting.push_back(job);
        let wanted = match queue.workers {
            0 => true,
            workers => {
                queue.waiting.len() >= worth_a_worker() * workers && workers < most_workers()
            }
        };
        wanted.then(|| {
            queue.workers += 1;
            Worker {
                queue: Arc::clone(&self.queue),
                over: false,
            }
        })
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many blocks that wait are worth another thread.
fn worth_a_worker() -> usize {
    messages_in_one_go().max(4)
}

fn most_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A thread's part in it; over when nothing waits.
struct Worker {
    queue: Arc<Mutex<Queue>>,
    over: bool,
}

impl Worker {
    fn run(mut self) {
        loop {
            let batch = self.next_batch();
            if batch.is_empty() {
                return;
            }
            let blocks: Vec<_> = batch
                .iter()
                .map(|job| (job.cid, job.block.pieces()))
                .collect();
            let outcomes = verify_each(&blocks);
            for (job, outcome) in batch.into_iter().zip(outcomes) {
                // Whoever asked may have gone.
                let _ = job.done.send(outcome);
            }
        }
    }

    /// Empty, and this worker no longer counted, when nothing waits.
    fn next_batch(&mut self) -> Vec<Job> {
        self.give_way();
        let mut queue = lock(&self.queue);
        let batch = queue.next_batch();
        if batch.is_empty() {
            self.over = true;
            queue.workers -= 1;
        }
        batch
    }
}

impl Worker {
    /// Lets others run until enough blocks wait to be hashed at once, for a moment at most: where every core is busy, those who
    /// bring blocks are among them.
    fn give_way(&self) {
        let began = now();
        for _ in 0..MOST_TURNS {
            let waiting = lock(&self.queue).waiting.len();
            if waiting >= messages_in_one_go() || now().duration_since(began) > MOMENT {
                return;
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Worker {
    /// Those that wait for a thread that never began learn that nobody answers.
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut queue = lock(&self.queue);
        queue.workers -= 1;
        if queue.workers == 0 {
            queue.waiting.clear();
        }
    }
}

impl Queue {
    /// The first that waits, with as many others of its length as are hashed in one go.
    fn next_batch(&mut self) -> Vec<Job> {
        self.waiting.retain(|job| !job.done.is_closed());
        let Some(len) = self.waiting.front().map(|job| job.block.len()) else {
            return Vec::new();
        };
        let most = messages_in_one_go();
        let mut batch = Vec::with_capacity(most);
        let mut at = 0;
        while batch.len() < most && at < self.waiting.len() {
            if self.waiting[at].block.len() == len {
                batch.extend(self.waiting.remove(at));
            } else {
                at += 1;
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::multihash::{RAW, sha2_256};
    use bytes::Bytes;

    fn block(number: u8, len: usize) -> (Cid, Block) {
        let block = Bytes::from(vec![number; len]);
        (Cid::new_v1(RAW, sha2_256(&[&block])), block.into())
    }

    #[tokio::test]
    async fn each_of_many_blocks_gets_its_own_answer() {
        let verifier = Verifier::default();
        let asked = (0..40_u8).map(|number| {
            let len = if number % 7 == 0 { 20_000 } else { 65_536 };
            let (cid, block) = block(number, len);
            let wrong = number % 5 == 0;
            let block = if wrong {
                Bytes::from(vec![number + 1; len]).into()
            } else {
                block
            };
            let verifier = &verifier;
            async move { (verifier.verify(cid, block).await.is_err(), wrong) }
        });
        for (refused, wrong) in futures_util::future::join_all(asked).await {
            assert_eq!(refused, wrong);
        }
        let ended = async {
            while lock(&verifier.queue).workers > 0 {
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        ended.expect("threads end with the work");
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_hashed() {
        let mut queue = Queue::default();
        for number in 0..3 {
            let (cid, block) = block(number, 65_536);
            let (done, _) = oneshot::channel();
            queue.waiting.push_back(Job { cid, block, done });
        }
        assert!(queue.next_batch().is_empty() && queue.waiting.is_empty());
    }

    #[test]
    fn a_runtime_that_ends_leaves_no_one_waiting() {
        let verifier = Verifier::default();
        let (cid, first) = block(1, 65_536);
        let (done, outcome) = oneshot::channel();
        let worker = verifier
            .enqueue(Job {
                cid,
                block: first,
                done,
            })
            .unwrap();
        drop(worker);
        assert!(outcome.blocking_recv().is_err());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (cid, second) = block(2, 65_536);
        runtime.block_on(verifier.verify(cid, second)).unwrap();
    }
}
