//! From a name to the addresses that may be connected to. Asked once for each connection, and the connection goes to
//! what was judged here: a name that leads elsewhere a moment later (DNS rebinding) gains nothing.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{
    address::{judge, judge_never},
    destination::REMEDY,
    policy::Policy,
};

/// As many addresses of one name are tried.
const MAX_ADDRESSES: usize = 16;

pub(super) type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who is asked what a name means.
pub(super) trait Lookup: Send + Sync {
    fn lookup(&self, name: &str) -> Looking;
}

/// The system: `/etc/hosts`, DNS, and whatever else it is set up with.
pub(super) struct System;

impl Lookup for System {
    fn lookup(&self, name: &str) -> Looking {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Hands on the addresses that may be called.
pub(super) struct Guard {
    pub(super) policy: Arc<Policy>,
    /// The host of the proxy: the operator chose it, so where it leads is not judged.
    pub(super) proxy: Option<String>,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, name) = (Arc::clone(&self.policy), name.as_str().to_owned());
        let (looking, is_proxy) = (self.lookup.lookup(&name), self.proxy.as_deref() == Some(&name));
        Box::pin(async move {
            let found = looking.await?;
            let allowed = if is_proxy { found } else { allowed(&name, &found, &policy)? };
            Ok(Box::new(allowed.into_iter().take(MAX_ADDRESSES).map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Those of the addresses that may be called; why none may.
pub(super) fn allowed(name: &str, found: &[IpAddr], policy: &Policy) -> Result<Vec<IpAddr>, NotAllowed> {
    let is_allowed_host = policy.hosts.contain(name);
    let judge = |address: IpAddr| if is_allowed_host { judge_never(address) } else { judge(address, policy) };
    let (allowed, refused): (Vec<IpAddr>, Vec<IpAddr>) = found.iter().partition(|address| judge(**address).is_ok());
    match refused.first() {
        Some(first) if allowed.is_empty() => {
            let what = judge(*first).err().unwrap_or_default();
            Err(NotAllowed(format!("{name} leads to {first}, which is {what}; {REMEDY}")))
        }
        Some(_) | None => Ok(allowed),
    }
}

/// Of one that the operator chose.
pub(super) struct Plain(pub(super) Arc<dyn Lookup>);

impl Resolve for Plain {
    fn resolve(&self, name: Name) -> Resolving {
        let looking = self.0.lookup(name.as_str());
        Box::pin(async move {
            let found = looking.await?;
            Ok(Box::new(found.into_iter().take(MAX_ADDRESSES).map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Found again among the causes of what the client says.
#[derive(Debug)]
pub(super) struct NotAllowed(pub(super) String);

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAllowed {}
