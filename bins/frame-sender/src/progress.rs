//! How far it is: a bar for a person, JSON lines for a program.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stream_service::Progress;

use crate::args::ProgressKind;

/// How often a JSON line is written.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Shows progress.
pub(crate) enum Display {
    Bar(ProgressBar),
    Lines {
        stdout: bool,
        last: Mutex<Option<Instant>>,
    },
    Nothing,
}

/// Which of several videos it is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) video: usize,
    pub(crate) videos: usize,
    pub(crate) input: String,
    /// What its files are called.
    pub(crate) name: String,
}

impl Display {
    /// What was asked for. `json` writes its lines to stdout, `--progress json` to stderr.
    pub(crate) fn new(kind: ProgressKind, json: bool) -> Self {
        let lines = |stdout| Self::Lines {
            stdout,
            last: Mutex::default(),
        };
        match kind {
            _ if json => lines(true),
            ProgressKind::Json => lines(false),
            ProgressKind::None => Self::Nothing,
            ProgressKind::Auto if !std::io::stderr().is_terminal() => Self::Nothing,
            ProgressKind::Auto | ProgressKind::Bar => Self::Bar(bar()),
        }
    }

    /// `place`: where there are several videos.
    pub(crate) fn show(&self, progress: &Progress, place: Option<&Place>) {
        match self {
            Self::Bar(bar) => {
                if let Some(place) = place {
                    let Place {
                        video,
                        videos,
                        name,
                        ..
                    } = place;
                    bar.set_prefix(format!("[{video}/{videos}] {name}  "));
                }
                show_bar(bar, progress);
            }
            Self::Lines { stdout, last } => {
                let mut last = last
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                if last.is_some_and(|at| at.elapsed() < LINE_EVERY) {
                    return;
                }
                *last = Some(Instant::now());
                write_line(*stdout, progress, place);
            }
            Self::Nothing => {}
        }
    }

    pub(crate) fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
            bar.reset();
        }
    }
}

fn write_line(stdout: bool, progress: &Progress, place: Option<&Place>) {
    let mut line = serde_json::json!({ "progress": progress });
    if let Some(place) = place {
        line["video"] = place.video.into();
        line["videos"] = place.videos.into();
        line["input"] = place.input.as_str().into();
    }
    // Whoever read it may have gone; the run goes on.
    let _ = if stdout {
        writeln!(std::io::stdout(), "{line}")
    } else {
        writeln!(std::io::stderr(), "{line}")
    };
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix}{bar:30} {pos}/{len} frames  {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show_bar(bar: &ProgressBar, progress: &Progress) {
    if let Some(total) = progress.frames_total {
        bar.set_length(total);
    }
    bar.set_position(progress.results + progress.dropped);
    let megabytes = progress.bytes as f64 / 1e6;
    let mut message = format!("{:.1} fps  {megabytes:.1} MB", progress.fps);
    if let Some(total) = progress.frames_total
        && progress.fps > 0.0
    {
        let left = total.saturating_sub(progress.results) as f64 / progress.fps;
        message.push_str(&format!("  {left:.0} s left"));
    }
    match progress.lanes {
        0 => message.push_str("  connecting"),
        1 => {}
        lanes => message.push_str(&format!("  {lanes} lanes")),
    }
    if progress.resumed > 0 {
        message.push_str(&format!("  resumed {}x", progress.resumed));
    }
    bar.set_message(message);
}
