//! Where IPFS blocks come from: each file one kind of [`Origin`](crate::Origin).
//!
//! | file | is |
//! |---|---|
//! | `http` | one request to a daemon or gateway: timeouts, statuses, a body that cannot look whole when it is not |
//! | `content` | a file's bytes, as they come, cut into the blocks of its leaves |
//! | `kubo` | the RPC of a Kubo daemon |
//! | `path_gateway` | a gateway's ranges of files |
//! | `trustless` | a gateway's archives of blocks |
//! | `gateway` | a gateway of which it is not known yet what it gives |
//! | `store` | the embedded store |
//!
//! None of them checks a hash, tries again or chooses between origins: that is for who reads through them.

mod content;
mod gateway;
mod http;
mod kubo;
mod path_gateway;
mod store;
mod trustless;

pub use gateway::GatewayOrigin;
pub use kubo::KuboOrigin;
pub use path_gateway::PathGatewayOrigin;
pub use store::StoreOrigin;
pub use trustless::TrustlessOrigin;

use crate::driver::options::{HttpOptions, IpfsOptions, OriginConfig};
use crate::error::OpenError;
use crate::origin::Origin;
use std::sync::Arc;

impl OriginConfig {
    /// The origin that this describes; asks nothing of it yet.
    ///
    /// # Errors
    /// [`OpenError::Client`] when the HTTP client cannot be made.
    pub fn open(
        &self,
        ipfs: &IpfsOptions,
        http: &HttpOptions,
    ) -> Result<Arc<dyn Origin>, OpenError> {
        Ok(match self {
            Self::Kubo { api, auth } => {
                let origin = KuboOrigin::new(api, auth.clone(), http)?;
                Arc::new(origin.trust_if_local(ipfs.trust_local))
            }
            Self::Gateway { url } => Arc::new(GatewayOrigin::new(url, http)?),
        })
    }
}
