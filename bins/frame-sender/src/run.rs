//! Sends each video, prints its summary, and says by the exit code whether each frame has its result.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use bin_support::{Failure, read_token, stop_signal};
use progressive_loader::driver::{OpenOptions, Store};
use stream_service::{
    Connections, LaneWish, PayloadEncoding, PictureEncoding, ProcessMode, ProcessOutput, SendError,
    SendOptions, Summary, read_authorities,
};
use tokio::sync::watch;

use crate::args::{Args, Encoding, Lanes, Mode, Output, OutputEncoding};
use crate::inputs::{Input, inputs};
use crate::progress::{Display, Place};
use crate::totals::Totals;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let inputs = inputs(args)?;
    let display = Arc::new(Display::new(args.progress, args.json));
    let videos = videos(args, &inputs, &display)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let (stopping, stopped) = watch::channel(false);
        // Not everything has its result then.
        let stop = stop_signal(1)?;
        tokio::spawn(async move {
            stop.await;
            let _ = stopping.send(true);
        });
        let mut connections = Connections::new();
        let outcome = match videos.first() {
            Some((options, None)) => {
                one(&mut connections, options.clone(), &stopped, &display).await
            }
            _ => several(&mut connections, videos, &stopped, &display).await,
        };
        connections.close().await;
        outcome
    })
}

/// The only video: its summary is the last line.
async fn one(
    connections: &mut Connections,
    options: SendOptions,
    stopped: &watch::Receiver<bool>,
    display: &Display,
) -> Result<ExitCode, Failure> {
    let outcome = connections.send(options, wait_for(stopped)).await;
    display.clear();
    match outcome {
        Ok(summary) => {
            print(&summary)?;
            verdict(&summary)
        }
        Err(SendError::Broke { reason, summary } | SendError::Unreadable { reason, summary }) => {
            print(&summary)?;
            Err(Failure::Failed(anyhow!("{reason}")))
        }
        Err(error @ (SendError::Usage(_) | SendError::Ledger(_))) => {
            Err(Failure::Usage(error.into()))
        }
        Err(error) => Err(error.into()),
    }
}

/// One video after another: a line for each, and the totals as the last. What is wrong with one of them does not keep the
/// others from being sent; a worker that is gone does.
async fn several(
    connections: &mut Connections,
    videos: Vec<(SendOptions, Option<Place>)>,
    stopped: &watch::Receiver<bool>,
    display: &Display,
) -> Result<ExitCode, Failure> {
    let mut totals = Totals::new(videos.len());
    for (options, place) in videos {
        let outcome = connections.send(options, wait_for(stopped)).await;
        display.clear();
        let (summary, failure, goes_on) = match outcome {
            Ok(summary) => {
                let failure = verdict(&summary).err();
                (Some(summary), failure, true)
            }
            Err(SendError::Unreadable { reason, summary }) => {
                let failure = Failure::Failed(anyhow!("{reason}"));
                (Some(*summary), Some(failure), true)
            }
            Err(SendError::Broke { reason, summary }) => {
                let failure = Failure::Failed(anyhow!("{reason}"));
                (Some(*summary), Some(failure), false)
            }
            Err(SendError::Usage(why)) => return Err(Failure::Usage(anyhow!("{why}"))),
            Err(error) => (None, Some(Failure::Failed(error.into())), true),
        };
        match &summary {
            Some(summary) => totals.add(summary),
            None => totals.add_failed(),
        }
        if let (Some(summary), Some(place)) = (&summary, &place) {
            print_of(summary, place)?;
        }
        if let Some(failure) = failure {
            if let Some(place) = &place {
                say(place);
            }
            failure.report();
        }
        if !goes_on || *stopped.borrow() {
            break;
        }
    }
    print_totals(&totals)
}

/// Says which video an error is of.
#[expect(clippy::print_stderr, reason = "an error is said on stderr")]
fn say(place: &Place) {
    let Place {
        video,
        videos,
        input,
        ..
    } = place;
    eprintln!("video {video} of {videos}, {input}:");
}

async fn wait_for(stopped: &watch::Receiver<bool>) {
    let mut stopped = stopped.clone();
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        // Nobody can stop it any more.
        std::future::pending::<()>().await;
    }
}

/// The settings of each video, and which of several it is.
fn videos(
    args: &Args,
    inputs: &[Input],
    display: &Arc<Display>,
) -> Result<Vec<(SendOptions, Option<Place>)>, Failure> {
    let mut base = options(args)?;
    if inputs.iter().any(|input| input.uri.starts_with("ipfs:")) {
        // Connected once: all videos share the cache and what is known of the gateways.
        let open = OpenOptions {
            store: Some(store(args)?),
            ipfs: args.ipfs.options().map_err(Failure::Usage)?,
            ..OpenOptions::default()
        };
        base.open = open.connect().context("cannot use an IPFS origin")?;
    }
    let mut videos = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let place = input.name.as_ref().map(|name| Place {
            video: index + 1,
            videos: inputs.len(),
            input: input.uri.clone(),
            name: name.clone(),
        });
        let mut options = base.clone();
        options.input.clone_from(&input.uri);
        let file = |place: &Option<_>, ending| place.as_deref().map(|it| input.file(it, ending));
        let ending = match args.output_encoding {
            OutputEncoding::Jpeg => "",
            OutputEncoding::H264 => ".h264",
        };
        options.results = file(&args.results, ".jsonl");
        options.ledger = file(&args.ledger, ".ledger");
        options.pictures = file(&args.pictures, ending);
        options.skip_finished = place.is_some();
        let (display, shown) = (Arc::clone(display), place.clone());
        let show = move |progress: &_| display.show(progress, shown.as_ref());
        options.on_progress = Some(Arc::new(show));
        videos.push((options, place));
    }
    Ok(videos)
}

/// What all videos have in common.
fn options(args: &Args) -> Result<SendOptions, Failure> {
    let mut options = SendOptions::new(args.to.clone(), String::new());
    options.encoding = match args.encoding {
        Encoding::Jpeg => PayloadEncoding::Jpeg,
        Encoding::Raw => PayloadEncoding::Raw,
        Encoding::Bgr => PayloadEncoding::Bgr,
        Encoding::Source => PayloadEncoding::Source,
        Encoding::H264 => PayloadEncoding::H264,
    };
    options.mode = match args.mode {
        Mode::EveryFrame => ProcessMode::EveryFrame,
        Mode::Realtime => ProcessMode::Realtime,
    };
    options.quality = args.quality;
    options.lanes = match args.lanes {
        Lanes::Auto => LaneWish::Auto,
        Lanes::Data(count) => LaneWish::Data(count),
        Lanes::Quic => LaneWish::Quic,
        Lanes::WebSocket => LaneWish::WebSocket,
    };
    options.output = match args.output {
        Output::Data => ProcessOutput::Data,
        Output::Video => ProcessOutput::Video,
        Output::Both => ProcessOutput::Both,
    };
    options.output_encoding = match args.output_encoding {
        OutputEncoding::Jpeg => PictureEncoding::Jpeg,
        OutputEncoding::H264 => PictureEncoding::H264,
    };
    options.output_quality = args.output_quality;
    options.congestion = args.congestion;
    options.data_output = (args.data_output != "all").then(|| args.data_output.clone());
    options.connect_timeout = args.connect_timeout;
    options.give_up_after = args.give_up_after;
    let token = args.token_file.as_deref().map(read_token).transpose();
    options.token = token.map_err(Failure::Usage)?;
    let authorities = args.ca.as_deref().map(read_authorities).transpose();
    let authorities = authorities.map_err(|error| Failure::Usage(error.into()))?;
    options.authorities = authorities.unwrap_or_default();
    Ok(options)
}

fn store(args: &Args) -> Result<Store, Failure> {
    let store = Store::open(&args.store).with_context(|| {
        format!(
            "cannot open the store {}; choose another with --store DIR",
            args.store.display()
        )
    });
    Ok(store?)
}

fn print(summary: &Summary) -> Result<(), Failure> {
    let line = serde_json::to_string(summary)?;
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// A video's summary, and which it is of.
fn print_of(summary: &Summary, place: &Place) -> Result<(), Failure> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        video: usize,
        input: &'a str,
        #[serde(flatten)]
        summary: &'a Summary,
    }
    let line = serde_json::to_string(&Line {
        video: place.video,
        input: &place.input,
        summary,
    })?;
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn print_totals(totals: &Totals) -> Result<ExitCode, Failure> {
    let line = serde_json::to_string(totals)?;
    writeln!(std::io::stdout(), "{line}")?;
    let Totals { videos, whole, .. } = totals;
    if whole < videos {
        return Err(Failure::Failed(anyhow!(
            "{whole} of {videos} videos are whole; the same command with --ledger goes on with the others"
        )));
    }
    Ok(ExitCode::SUCCESS)
}

/// 0 only when each frame of the video has exactly one result.
fn verdict(summary: &Summary) -> Result<ExitCode, Failure> {
    let Summary {
        frames,
        lost,
        duplicated,
        ..
    } = summary;
    if !summary.complete {
        return Err(Failure::Failed(anyhow!(
            "stopped after {frames} frames; the same command with --ledger goes on from there"
        )));
    }
    if !summary.is_whole() {
        return Err(Failure::Failed(anyhow!(
            "of {frames} frames {lost} have no result and {duplicated} more than one"
        )));
    }
    Ok(ExitCode::SUCCESS)
}
