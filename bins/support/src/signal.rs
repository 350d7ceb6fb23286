//! Ctrl-C and SIGTERM.

/// Done at the first Ctrl-C or SIGTERM; a second one ends the process at once, with `code_at_once`.
///
/// # Errors
/// The handlers cannot be installed.
pub fn stop_signal(
    code_at_once: i32,
) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let mut either = async || {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        };
        either().await;
        tracing::info!("stopping; once more to stop at once");
        tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            std::process::exit(code_at_once);
        });
    })
}
