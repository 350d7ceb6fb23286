//! Logs on stderr, as many as `RUST_LOG` asks for.

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT_LOG: &str = "info,str0m=warn,dimpl=warn,sctp_proto=warn,web_transport_quinn=error";

/// Logs on stderr; `RUST_LOG` is a list of `level` and `module=level`.
pub fn init() {
    let asked = std::env::var("RUST_LOG").ok();
    let asked = asked.filter(|asked| !asked.is_empty());
    let parsed = asked.as_deref().map(str::parse::<Targets>);
    let filter = match &parsed {
        Some(Ok(filter)) => filter.clone(),
        Some(Err(_)) | None => DEFAULT_LOG.parse().unwrap_or_default(),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
    if let Some(Err(error)) = parsed {
        let asked = asked.unwrap_or_default();
        tracing::warn!(
            "RUST_LOG={asked:?} is not a list of levels, such as `debug` or `info,webrtc_session=debug`: {error}; logging {DEFAULT_LOG}"
        );
    }
}
