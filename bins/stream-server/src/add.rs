//! `add`: a file into the embedded store, with a progress bar, and its CID on stdout.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use bin_support::Failure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use progressive_loader::driver::Store;

use crate::args::AddArgs;

/// Adds the file; prints the CID that Kubo would print.
pub(crate) fn run(args: &AddArgs) -> Result<(), Failure> {
    let store = Store::open(&args.store).with_context(|| {
        format!(
            "cannot open the store {}; choose another with --store DIR",
            args.store.display()
        )
    })?;
    let bar = progress_bar();
    let added = store.add_file(&args.file, args.profile, &mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
    });
    bar.finish_and_clear();
    let added = added?;
    let mut stdout = std::io::stdout();
    if args.json {
        let object = serde_json::json!({
            "cid": added.cid.to_string(), "size_bytes": added.size_bytes, "blocks": added.blocks,
            "profile": args.profile.to_string(),
        });
        writeln!(stdout, "{object}")?;
    } else {
        writeln!(stdout, "{}", added.cid)?;
    }
    Ok(())
}

fn progress_bar() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta} left",
    );
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
