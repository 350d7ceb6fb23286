//! A Chromium of our own, with a profile that is thrown away.
//!
//! Fed by the command line; feeds the measurements with pages.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use chromiumoxide::{Browser as Chromium, BrowserConfig, Page};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::args::Args;

const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Nothing of the browser's own is to run or to talk to anybody while something is measured.
const FLAGS: [&str; 7] = [
    "disable-gpu",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "disable-background-timer-throttling",
    "disable-renderer-backgrounding",
];

/// Looks at a page's state this often.
const POLL: Duration = Duration::from_millis(50);

/// The first of these programs on PATH.
pub(crate) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places = |name: &&str| {
        std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    };
    names.iter().find_map(places)
}

/// The browser to drive, or why there is none.
pub(crate) fn find(args: &Args) -> Result<PathBuf, String> {
    args.chromium
        .clone()
        .or_else(|| on_path(&NAMES))
        .ok_or_else(|| {
            format!(
                "no {} on PATH; name one with --chromium PATH or FRAMEWAY_CHROMIUM",
                NAMES.join(", ")
            )
        })
}

/// A running browser; ended, and its profile deleted, when dropped.
pub(crate) struct Browser {
    chromium: Chromium,
    events: JoinHandle<()>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one that has no QUIC.
    pub(crate) async fn launch(executable: PathBuf) -> Result<Self> {
        Self::launch_with(executable, &["disable-quic"]).await
    }

    /// Starts one that has.
    pub(crate) async fn launch_with_quic(executable: PathBuf) -> Result<Self> {
        Self::launch_with(executable, &[]).await
    }

    async fn launch_with(executable: PathBuf, flags: &[&str]) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let builder = BrowserConfig::builder()
            .chrome_executable(executable)
            .user_data_dir(profile.path());
        let builder = builder
            .new_headless_mode()
            .no_sandbox()
            .window_size(1440, 900)
            .viewport(None)
            .args(FLAGS)
            .args(flags.iter().copied());
        let config = builder
            .launch_timeout(Duration::from_secs(60))
            .build()
            .map_err(|error| anyhow!(error))?;
        let (chromium, mut handler) = Chromium::launch(config)
            .await
            .context("the browser does not start")?;
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Ok(Self {
            chromium,
            events,
            _profile: profile,
        })
    }

    /// Opens an address in a new page.
    pub(crate) async fn open(&self, url: &str) -> Result<Page> {
        Ok(self.chromium.new_page(url).await?)
    }

    /// Ends it.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.chromium.close().await?;
        self.chromium.wait().await?;
        self.events.abort();
        Ok(())
    }
}

/// The value of an expression in the page.
pub(crate) async fn evaluate<T: DeserializeOwned>(page: &Page, expression: &str) -> Result<T> {
    let result = page
        .evaluate(expression)
        .await
        .with_context(|| expression.to_owned())?;
    result.into_value().with_context(|| expression.to_owned())
}

/// Asks until the expression is neither null nor undefined.
pub(crate) async fn wait_for<T: DeserializeOwned>(
    page: &Page,
    expression: &str,
    deadline: Duration,
) -> Result<T> {
    let ask = async {
        loop {
            // While the page loads there is nothing to ask yet.
            if let Ok(Some(value)) = evaluate::<Option<T>>(page, expression).await {
                return value;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(deadline, ask)
        .await
        .with_context(|| format!("not within {deadline:?}: {expression}"))
}
