//! A server binary under test: started, asked for its address, killed.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::wait_until;

/// Enough of stderr for a failure message.
const STDERR_BYTES: usize = 64 << 10;
/// Lines of stdout kept for [`ChildServer::next_line`]; a server that prints more waits.
const STDOUT_LINES: usize = 1024;

/// How long a process that closed its stdout may take to end.
const END_DEADLINE: Duration = Duration::from_secs(5);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The binary could not be run.
    #[error("{program} cannot be run: {source}")]
    Spawn {
        /// The binary.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended, or closed stdout, before its first line.
    #[error("{program} ended before it printed a line ({status}); stderr:\n{stderr}")]
    Ended {
        /// The binary.
        program: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote to stderr.
        stderr: String,
    },
    /// It runs, but said nothing in time.
    #[error("{program} printed no line within {deadline:?}; stderr:\n{stderr}")]
    Silent {
        /// The binary.
        program: String,
        /// How long it was given.
        deadline: Duration,
        /// The end of what it wrote to stderr.
        stderr: String,
    },
}

/// A running server. It is killed, and waited for, when dropped.
#[derive(Debug)]
pub struct ChildServer {
    child: Child,
    first_line: String,
    lines: Receiver<String>,
    stderr: Arc<Mutex<Tail>>,
}

impl ChildServer {
    /// Starts `command` and waits up to `deadline` for the first line on its stdout, which
    /// servers print once they answer requests. Stdin is empty.
    ///
    /// # Errors
    /// [`StartError`], with what the server wrote to stderr; the process is then gone.
    pub fn start(mut command: Command, deadline: Duration) -> Result<Self, StartError> {
        let program = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(source) => return Err(StartError::Spawn { program, source }),
        };
        let mut server = Self {
            lines: forward_lines(child.stdout.take()),
            stderr: collect_tail(child.stderr.take()),
            child,
            first_line: String::new(),
        };
        match server.lines.recv_timeout(deadline) {
            Ok(line) => server.first_line = line,
            Err(RecvTimeoutError::Timeout) => {
                return Err(StartError::Silent {
                    program,
                    deadline,
                    stderr: server.stderr(),
                });
            }
            Err(RecvTimeoutError::Disconnected) => return Err(server.ended(program)),
        }
        Ok(server)
    }

    fn ended(mut self, program: String) -> StartError {
        // It has closed stdout, so it is about to end; were it not, it would be killed on drop.
        let status = match self.wait(END_DEADLINE) {
            Some(status) => status.to_string(),
            None => "still running, stdout closed".to_owned(),
        };
        // What it wrote last may still be in the pipe.
        let _closed = wait_until(END_DEADLINE, || lock(&self.stderr).closed);
        let stderr = self.stderr();
        StartError::Ended {
            program,
            status,
            stderr,
        }
    }

    /// The first line of stdout, without its end.
    pub fn first_line(&self) -> &str {
        &self.first_line
    }

    /// The next line of stdout; `None` when none comes within `deadline` or stdout is closed.
    pub fn next_line(&self, deadline: Duration) -> Option<String> {
        self.lines.recv_timeout(deadline).ok()
    }

    /// The last 64 KiB that it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(lock(&self.stderr).bytes.make_contiguous()).into_owned()
    }

    /// Process id, for signals and for reading its memory and CPU use.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did within `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let mut status = None;
        let _ended = wait_until(deadline, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        status
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines on a thread that ends with the pipe, or when nobody listens.
fn forward_lines(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(STDOUT_LINES);
    if let Some(pipe) = pipe {
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}

/// The end of what a process wrote.
#[derive(Debug, Default)]
struct Tail {
    bytes: VecDeque<u8>,
    closed: bool,
}

fn lock(tail: &Mutex<Tail>) -> MutexGuard<'_, Tail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the last [`STDERR_BYTES`] on a thread that ends with the pipe.
fn collect_tail(pipe: Option<impl Read + Send + 'static>) -> Arc<Mutex<Tail>> {
    let tail = Arc::new(Mutex::new(Tail::default()));
    if let Some(mut pipe) = pipe {
        let tail = Arc::clone(&tail);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(len @ 1..) = pipe.read(&mut chunk) {
                let bytes = &mut lock(&tail).bytes;
                bytes.extend(&chunk[..len]);
                let excess = bytes.len().saturating_sub(STDERR_BYTES);
                bytes.drain(..excess);
            }
            lock(&tail).closed = true;
        });
    }
    tail
}
