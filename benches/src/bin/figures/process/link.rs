//! Long and lossy paths, by the bad link of testkit.

use std::time::Duration;

use anyhow::Result;
use testkit::LinkConfig;
use testkit::driver::BadLinkConfig;

use super::run::Binaries;
use crate::table::Table;

/// Half of the round trip.
const DELAY: Duration = Duration::from_millis(25);
/// Lanes that share the frames.
const LANES: &str = "data:8";

pub(super) fn path(loss: f64) -> BadLinkConfig {
    BadLinkConfig::both(LinkConfig {
        delay: DELAY,
        loss,
        // A long fat path's: more than its product of rate and round trip.
        queue_bytes: 8 << 20,
        ..LinkConfig::datagrams()
    })
}

/// 50 ms, nothing lost.
pub(super) fn round_trip(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let rate = |lanes: &str| -> Result<f64> {
        let input = "opaque:?bytes=100000&frames=4000";
        let outcome = binaries.run_through(
            path(0.0),
            &["--processor", "none"],
            input,
            &["--lanes", lanes],
        )?;
        Ok(outcome.megabytes_per_second())
    };
    let (one, all) = (rate("data:1")?, rate(LANES)?);
    let detail = format!("400 MB over {LANES}; {one:.1} MB/s over one lane");
    Ok(table.measured("process-rtt", all, &detail)?)
}

/// 50 ms, one datagram of a hundred lost each way; one lane is one stock association.
pub(super) fn loss(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let rate = |lanes: &str, frames: u32| -> Result<f64> {
        let input = format!("opaque:?bytes=100000&frames={frames}");
        let outcome = binaries.run_through(
            path(0.01),
            &["--processor", "none"],
            &input,
            &["--lanes", lanes],
        )?;
        Ok(outcome.megabytes_per_second())
    };
    let (one, all) = (rate("data:1", 100)?, rate(LANES, 500)?);
    let detail = format!("{all:.2} MB/s over {LANES}, {one:.2} MB/s over one association");
    Ok(table.measured("process-loss", all / one, &detail)?)
}
