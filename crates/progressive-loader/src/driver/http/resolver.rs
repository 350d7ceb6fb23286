//! From a host's name to its addresses.
//!
//! Asked by the HTTP client for every name it meets, redirects included; asks the system. A name that a redirect
//! led to may not have a private address, for the same reason that a redirect may not name one.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The names of one client's requests.
#[derive(Debug)]
pub(super) struct Resolver {
    /// The host that the user named, whose addresses may be any.
    first: String,
    /// Whether private addresses are fine for other names too; set once the first has one itself.
    private_is_fine: Arc<AtomicBool>,
}

/// A name that leads where a redirect must not.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} has private addresses only, where the server may not redirect to (allow_private_redirects would follow it)"
)]
struct PrivateName(String);

impl Resolver {
    pub(super) fn new(first: &str, private_is_fine: bool) -> Self {
        Self {
            first: first.to_owned(),
            private_is_fine: Arc::new(AtomicBool::new(private_is_fine)),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let is_first = name.eq_ignore_ascii_case(&self.first);
        let private_is_fine = Arc::clone(&self.private_is_fine);
        Box::pin(async move {
            let mut addresses = look_up(&name).await?;
            if is_first {
                let private = addresses.iter().any(|addr| is_private_ip(addr.ip()));
                private_is_fine.fetch_or(private, Ordering::Relaxed);
            } else if !private_is_fine.load(Ordering::Relaxed) {
                addresses.retain(|addr| !is_private_ip(addr.ip()));
                if addresses.is_empty() {
                    return Err(PrivateName(name).into());
                }
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Every name below `localhost` is this machine (RFC 6761 §6.3), whether or not the system knows: a local gateway
/// gives each content such a name.
async fn look_up(name: &str) -> std::io::Result<Vec<SocketAddr>> {
    if is_localhost(name) && name != "localhost" {
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return Ok(loopback.map(|ip| SocketAddr::new(ip, 0)).into());
    }
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

pub(super) fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether `ip` is this machine's or of a network of its own.
pub(super) fn is_private_ip(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::str::FromStr;

    async fn resolves(resolver: &Resolver, name: &str) -> bool {
        resolver
            .resolve(Name::from_str(name).unwrap())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn a_redirect_may_not_lead_to_a_name_of_this_machine() {
        let public = Resolver::new("example.org", false);
        assert!(!resolves(&public, "bafy.ipfs.localhost").await);
        let allowed = Resolver::new("example.org", true);
        assert!(resolves(&allowed, "bafy.ipfs.localhost").await);
    }

    #[tokio::test]
    async fn a_private_first_host_may_redirect_within_its_network() {
        let local = Resolver::new("gateway.localhost", false);
        assert!(resolves(&local, "gateway.localhost").await);
        assert!(resolves(&local, "bafy.ipfs.localhost").await);
    }
}
