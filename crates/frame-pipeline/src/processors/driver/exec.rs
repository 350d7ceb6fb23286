//! `exec`: another program as a processor.
//!
//! One process per worker thread. A thread of its own writes a batch's frames while the answers are
//! read, so that neither side waits for the other with full pipes. The command and whatever it
//! starts are a process group, which is killed when the processor is dropped or interrupted.

use std::io::{BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use super::super::exec_message::{frame_message, read_answer};
use crate::{DecodedFrame, FrameProcessor, Interrupter, Output, ProcessorError, ProcessorFactory};

const NAME: &str = "exec";

/// Makes processors that run a command.
pub(in crate::processors) struct Exec {
    command: String,
    /// Found to be one that can run.
    found: OnceLock<()>,
}

impl Exec {
    pub(in crate::processors) fn new(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            found: OnceLock::new(),
        }
    }

    /// Looks for the command, until it was there once.
    fn find(&self) -> Result<(), String> {
        if self.found.get().is_none() {
            can_run(&self.command)?;
            self.found.get_or_init(|| ());
        }
        Ok(())
    }
}

impl ProcessorFactory for Exec {
    fn name(&self) -> &str {
        NAME
    }

    fn make(&self) -> Result<Box<dyn FrameProcessor>, ProcessorError> {
        let mut processor = ExecProcessor {
            command: self.command.clone(),
            process: Arc::default(),
            pipes: None,
        };
        let started = self.find().and_then(|()| processor.start());
        started.map_err(|reason| ProcessorError::Start {
            name: NAME.to_owned(),
            reason,
        })?;
        Ok(Box::new(processor))
    }
}

/// What a shell can tell of a command without running it: whether it can be read, and whether the program that it begins with
/// is there.
fn can_run(command: &str) -> Result<(), String> {
    ask_shell(&["-n", "-c", command])
        .map_err(|said| format!("the command {command:?} cannot be read: {said}"))?;
    let Some(program) = first_program(command) else {
        return Ok(());
    };
    ask_shell(&["-c", "command -v \"$1\" >/dev/null", "sh", program])
        .map_err(|_| format!("there is no program {program:?}: give its path, or install it"))
}

/// The word that a command begins with, where that can only be a program: no assignment, nothing that the shell would expand.
fn first_program(command: &str) -> Option<&str> {
    let word = command.split_ascii_whitespace().next()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./+-".contains(&byte);
    word.bytes().all(is_plain).then_some(word)
}

/// Runs `sh` with these arguments; what it said, if it was not content.
fn ask_shell(arguments: &[&str]) -> Result<(), String> {
    let asked = Command::new("sh")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run sh: {error}"))?;
    match asked.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&asked.stderr).trim().to_owned()),
    }
}

/// The process, as whoever kills it knows it.
#[derive(Default)]
struct Process {
    child: Option<Child>,
    /// Interrupted: it is not started again.
    ended: bool,
}

impl Process {
    /// Kills the group and waits for the command itself, which does not take long then.
    fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        kill_group(&child);
        // Where there are no groups; and it fails where the command has ended by itself.
        let _ = child.kill();
        if let Err(error) = child.wait() {
            tracing::warn!(%error, "cannot wait for the command of a processor");
        }
    }
}

#[cfg(unix)]
fn kill_group(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    // Not waited for yet, so the number is still this process's, and its group's.
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill_group(_child: &Child) {}

struct Pipes {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

struct ExecProcessor {
    command: String,
    process: Arc<Mutex<Process>>,
    /// `None` when the command has to be started (again).
    pipes: Option<Pipes>,
}

impl ExecProcessor {
    fn start(&mut self) -> Result<(), String> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.ended {
            return Err("the command was ended".to_owned());
        }
        process.kill();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &self.command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let mut child = shell
            .spawn()
            .map_err(|error| format!("cannot run sh for the command: {error}"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        process.child = Some(child);
        self.pipes = pipes.map(|(stdin, stdout)| Pipes {
            stdin,
            stdout: BufReader::new(stdout),
        });
        Ok(())
    }

    fn stop(&mut self) {
        self.process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .kill();
        self.pipes = None;
    }

    /// Results of the first frames of `frames`, at least of one. The last of them may be an error,
    /// after which the command has to be started again.
    fn run(&mut self, frames: &[DecodedFrame]) -> Vec<Result<Output, String>> {
        if self.pipes.is_none()
            && let Err(error) = self.start()
        {
            return vec![Err(error)];
        }
        let Some(Pipes { stdin, stdout }) = &mut self.pipes else {
            return vec![Err("the command has no pipes".to_owned())];
        };
        let process = &self.process;
        let results = thread::scope(|scope| {
            let writer = thread::Builder::new().name("frame-exec".to_owned());
            if let Err(error) = writer.spawn_scoped(scope, || write_frames(stdin, frames)) {
                return vec![Err(format!("cannot start a thread that writes: {error}"))];
            }
            let mut results = Vec::with_capacity(frames.len());
            for _ in frames {
                let answer = read_answer(stdout).map_err(|error| error.to_string());
                let failed = answer.is_err();
                results.push(answer);
                if failed {
                    // Also frees the thread that writes.
                    process
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .kill();
                    break;
                }
            }
            results
        });
        if results.last().is_some_and(Result::is_err) {
            self.pipes = None;
        }
        results
    }
}

/// Writes what the command takes. When it takes no more, its answers say so.
fn write_frames(stdin: &mut ChildStdin, frames: &[DecodedFrame]) {
    for frame in frames {
        let written = frame_message(frame).and_then(|message| {
            let written = stdin.write_all(&message);
            written.map_err(|error| error.to_string())
        });
        if let Err(error) = written {
            tracing::debug!(index = frame.index, error, "a command takes no more frames");
            return;
        }
    }
}

impl FrameProcessor for ExecProcessor {
    fn process(&mut self, batch: &[DecodedFrame]) -> Vec<Result<Output, String>> {
        let mut results = Vec::with_capacity(batch.len());
        while results.len() < batch.len() {
            results.extend(self.run(&batch[results.len()..]));
        }
        results
    }

    fn interrupter(&self) -> Option<Interrupter> {
        let process = Arc::clone(&self.process);
        Some(Arc::new(move || {
            let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
            process.ended = true;
            process.kill();
        }))
    }
}

impl Drop for ExecProcessor {
    fn drop(&mut self) {
        self.stop();
    }
}
