//! A real Chromium, headless, that looks at the real page.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chromiumoxide::Page;
use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::handler::viewport::Viewport;
use chromiumoxide::page::ScreenshotParams;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use super::DEADLINE;

/// Reads the frame number from the pixels that were drawn, at the moment they were drawn, into `window.seen`.
///
/// The strip's layout is media-source's: 40 cells along the bottom edge, two guards, 32 bits, four of checksum, two
/// guards. Written here anew, from the layout's description.
const READER: &str = r"
window.seen = [];
window.unreadable = 0;
document.addEventListener('frameway:frame', (event) => {
  const canvas = event.target, width = canvas.width, height = canvas.height;
  const rows = Math.max(8, Math.floor(height / 20 / 2) * 2);
  const y = height - Math.ceil(rows / 2);
  const pixels = canvas.getContext('2d').getImageData(0, y, width, 1).data;
  const cell = (i) => pixels[4 * Math.floor((i + 0.5) * width / 40) + 1] > 127 ? 1 : 0;
  let number = 0, sum = 0;
  for (let i = 0; i < 32; i++) number = number * 2 + cell(2 + i);
  for (let i = 0; i < 8; i++) sum ^= Math.floor(number / 2 ** (4 * i)) % 16;
  const check = cell(34) * 8 + cell(35) * 4 + cell(36) * 2 + cell(37);
  const guards = cell(0) === 1 && cell(1) === 0 && cell(38) === 0 && cell(39) === 1;
  if (guards && check === sum) window.seen.push(number); else window.unreadable++;
}, true);
";

/// Keeps the index of every frame drawn in `window.drawn`, for videos whose pixels carry no number.
const LISTENER: &str = r"
window.drawn = [];
document.addEventListener('frameway:frame', (event) => window.drawn.push(event.detail.source_id), true);
";

/// One browser at a time: two would compete for the cores that must draw every frame in time.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A browser with a profile of its own; it ends with this.
pub(crate) struct Chromium {
    browser: Browser,
    events: tokio::task::JoinHandle<()>,
    _profile: tempfile::TempDir,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

/// Where the browser is: `FRAMEWAY_CHROMIUM`, or on the PATH. `None`, said aloud, when there is none.
fn executable() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("FRAMEWAY_CHROMIUM") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    let found = std::env::split_paths(&path)
        .flat_map(|dir| names.map(|name| dir.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!(
            "skipped: no Chromium on the PATH (cargo xtask test installs one; FRAMEWAY_CHROMIUM=PATH names one)"
        );
    }
    found
}

impl Chromium {
    /// Starts one with a window of that size in CSS pixels; `None` when there is no browser here.
    pub(crate) async fn start(width: u32, height: u32) -> Option<Self> {
        Self::start_with(width, height, &[]).await
    }

    /// The same with further flags, without their dashes.
    pub(crate) async fn start_with(width: u32, height: u32, flags: &[&str]) -> Option<Self> {
        let executable = executable()?;
        let turn = TURN.lock().await;
        let profile = tempfile::tempdir().unwrap();
        let viewport = Viewport {
            width,
            height,
            ..Viewport::default()
        };
        let config = BrowserConfig::builder()
            .chrome_executable(executable)
            .user_data_dir(profile.path())
            .new_headless_mode()
            .no_sandbox()
            .window_size(width, height)
            .viewport(viewport)
            .launch_timeout(DEADLINE)
            .request_timeout(DEADLINE)
            .args([
                "disable-gpu",
                "no-first-run",
                "disable-background-networking",
            ])
            .args([
                "disable-component-update",
                "disable-sync",
                "disable-dev-shm-usage",
            ])
            .args(flags.iter().copied())
            .build()
            .unwrap();
        let (browser, mut handler) = Browser::launch(config).await.unwrap();
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Some(Self {
            browser,
            events,
            _profile: profile,
            _turn: turn,
        })
    }

    /// Opens the page with both listeners in place before its first script runs.
    pub(crate) async fn open(&self, url: &str) -> Tab {
        let page = self.browser.new_page("about:blank").await.unwrap();
        page.evaluate_on_new_document(READER).await.unwrap();
        page.evaluate_on_new_document(LISTENER).await.unwrap();
        page.goto(url).await.unwrap();
        Tab { page }
    }

    pub(crate) async fn close(mut self) {
        let _ = self.browser.close().await;
        let _ = self.browser.wait().await;
        self.events.abort();
    }
}

/// One tab.
pub(crate) struct Tab {
    page: Page,
}

impl Tab {
    /// The value of a JavaScript expression.
    pub(crate) async fn value<T: DeserializeOwned>(&self, expression: &str) -> T {
        self.page
            .evaluate(expression)
            .await
            .unwrap()
            .into_value()
            .unwrap()
    }

    /// Runs a statement.
    pub(crate) async fn run(&self, statement: &str) {
        self.page
            .evaluate(format!("(() => {{ {statement}; return true; }})()"))
            .await
            .unwrap();
    }

    /// Polls an expression until it is true.
    pub(crate) async fn until(&self, expression: &str) {
        let started = Instant::now();
        while !self.value::<bool>(&format!("Boolean({expression})")).await {
            if started.elapsed() > DEADLINE {
                let stats: serde_json::Value = self
                    .value("window.frameway ? frameway.stats() : null")
                    .await;
                panic!("never came to hold: {expression}\n{stats:#}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        self.page
            .screenshot(ScreenshotParams::builder().build())
            .await
            .unwrap()
    }
}
