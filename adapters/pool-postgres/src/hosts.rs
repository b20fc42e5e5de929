//! Where to connect to: the hosts of a configuration, in the order in which to try them.

use crate::error::{ConfigError, Error};
use crate::transport::{Address, Endpoint};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts};

const DEFAULT_PORT: u16 = 5432;

/// One entry of `host`, `hostaddr` and `port`.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    host: Option<Host>,
    address: Option<IpAddr>,
    port: u16,
}

/// The entries of a configuration, once it is known that they match.
pub(crate) fn targets(config: &Config) -> Result<Vec<Target>, ConfigError> {
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let ports = config.get_ports();
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        return Err(ConfigError::NoHost);
    }
    let both = !hosts.is_empty() && !addresses.is_empty();
    if (both && hosts.len() != addresses.len()) || (ports.len() > 1 && ports.len() != count) {
        return Err(ConfigError::UnmatchedHosts {
            hosts: hosts.len(),
            addresses: addresses.len(),
            ports: ports.len(),
        });
    }
    let port = |at| ports.get(at).or(ports.first()).copied();
    let target = |at: usize| Target {
        host: hosts.get(at).cloned(),
        address: addresses.get(at).copied(),
        port: port(at).unwrap_or(DEFAULT_PORT),
    };
    Ok((0..count).map(target).collect())
}

/// Rotates by chance where the configuration asks for load balancing; which hosts follow each
/// other stays, and with it the order after a failure.
pub(crate) fn balance<T>(config: &Config, list: &mut [T]) {
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random && !list.is_empty() {
        let chance = RandomState::new().hash_one(list.len());
        let by = chance % u64::try_from(list.len()).unwrap_or(1);
        list.rotate_left(usize::try_from(by).unwrap_or(0));
    }
}

impl Target {
    /// The endpoints behind the entry, by name service where it has no address.
    pub(crate) async fn resolve(&self, config: &Config) -> Result<Vec<Endpoint>, Error> {
        let name = match &self.host {
            Some(Host::Tcp(name)) => Some(name.clone()),
            _ => None,
        };
        let mut addresses = match (self.address, &self.host) {
            (Some(ip), _) => vec![Address::Tcp(SocketAddr::new(ip, self.port))],
            (None, Some(Host::Tcp(name))) => lookup(name, self.port).await?,
            (None, Some(Host::Unix(folder))) => {
                vec![Address::Unix(
                    folder.join(format!(".s.PGSQL.{}", self.port)),
                )]
            }
            (None, None) => Vec::new(),
        };
        balance(config, &mut addresses);
        let endpoint = |address| Endpoint {
            address,
            name: name.clone(),
        };
        Ok(addresses.into_iter().map(endpoint).collect())
    }
}

async fn lookup(name: &str, port: u16) -> Result<Vec<Address>, Error> {
    let found = tokio::net::lookup_host((name, port)).await;
    let found = found.map_err(|source| Error::Resolve {
        host: name.to_owned(),
        source,
    })?;
    Ok(found.map(Address::Tcp).collect())
}
