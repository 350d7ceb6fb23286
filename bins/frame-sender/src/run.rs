//! Sends, prints the summary, and says by the exit code whether each frame has its result.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use bin_support::{Failure, read_token, stop_signal};
use progressive_loader::driver::Store;
use stream_service::{
    LaneWish, PayloadEncoding, ProcessMode, ProcessOutput, SendError, SendOptions, Summary, send,
};

use crate::args::{Args, Encoding, Lanes, Mode, Output};
use crate::progress::Display;

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let display = Arc::new(Display::new(args.progress, args.json));
    let options = options(args, Arc::clone(&display))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        let stop = stop_signal()?;
        anyhow::Ok(send(options, stop).await)
    });
    display.clear();
    match outcome? {
        Ok(summary) => {
            print(&summary)?;
            verdict(&summary)
        }
        Err(SendError::Broke { reason, summary }) => {
            print(&summary)?;
            Err(Failure::Failed(anyhow!("{reason}")))
        }
        Err(error @ (SendError::Usage(_) | SendError::Ledger(_))) => {
            Err(Failure::Usage(error.into()))
        }
        Err(error) => Err(error.into()),
    }
}

fn options(args: Args, display: Arc<Display>) -> Result<SendOptions, Failure> {
    let mut options = SendOptions::new(args.to, args.input);
    options.encoding = match args.encoding {
        Encoding::Jpeg => PayloadEncoding::Jpeg,
        Encoding::Raw => PayloadEncoding::Raw,
        Encoding::Bgr => PayloadEncoding::Bgr,
        Encoding::Source => PayloadEncoding::Source,
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
    options.output_quality = args.output_quality;
    options.pictures = args.pictures;
    options.congestion = args.congestion;
    options.data_output = (args.data_output != "all").then_some(args.data_output);
    options.results = args.results;
    options.ledger = args.ledger;
    options.connect_timeout = args.connect_timeout;
    options.give_up_after = args.give_up_after;
    let token = args.token_file.as_deref().map(read_token).transpose();
    options.token = token.map_err(Failure::Usage)?;
    if options.input.starts_with("ipfs:") {
        let store = Store::open(&args.store).with_context(|| {
            format!(
                "cannot open the store {}; choose another with --store DIR",
                args.store.display()
            )
        })?;
        options.store = Some(store);
    }
    options.on_progress = Some(Arc::new(move |progress| display.show(progress)));
    Ok(options)
}

fn print(summary: &Summary) -> Result<(), Failure> {
    let line = serde_json::to_string(summary)?;
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
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
