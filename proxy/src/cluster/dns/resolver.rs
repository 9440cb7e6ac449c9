//! One resolver for all clusters: `/etc/hosts`, then the servers of `/etc/resolv.conf` or those that the cluster names.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use config::cluster::DnsFamily;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};

/// An answer to all questions that the family asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Addresses, in the order of the answer. Empty when the name has none, or does not exist.
    pub addresses: Vec<IpAddr>,
    /// How long it holds; `None` where nothing says so.
    pub ttl: Option<Duration>,
}

/// No answer: what was known before still holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LookupFailure(pub String);

/// Looks names up. Shared by all clusters; used on the control thread.
pub struct Resolver {
    resolv_conf: PathBuf,
    hosts_file: PathBuf,
    /// By the servers that a cluster names; none means the system's. Built when first needed.
    clients: Mutex<HashMap<Vec<SocketAddr>, TokioResolver>>,
    files: Mutex<Files>,
}

/// The system's files, as they were when they were read last.
#[derive(Default)]
struct Files {
    resolv_conf: Option<SystemTime>,
    hosts: Option<SystemTime>,
    table: Arc<Hosts>,
}

impl Resolver {
    /// With the system's files.
    pub fn system() -> Arc<Resolver> {
        Resolver::with_files("/etc/resolv.conf", "/etc/hosts")
    }

    /// With other files than the system's.
    pub fn with_files(resolv_conf: impl Into<PathBuf>, hosts: impl Into<PathBuf>) -> Arc<Resolver> {
        Arc::new(Resolver {
            resolv_conf: resolv_conf.into(),
            hosts_file: hosts.into(),
            clients: Mutex::default(),
            files: Mutex::default(),
        })
    }

    /// Looks a name up, of the families that are wanted. `servers` replace the system's.
    ///
    /// # Errors
    /// No server answered, or one answered with a failure; the text says which.
    pub async fn lookup(&self, name: &str, family: DnsFamily, servers: &[SocketAddr]) -> Result<Answer, LookupFailure> {
        let parsed =
            Name::from_str(name).map_err(|error| LookupFailure(format!("{name} is not a DNS name: {error}")))?;
        self.reread();
        let (first, second) = match family {
            DnsFamily::Auto => (RecordType::AAAA, Some((RecordType::A, false))),
            DnsFamily::V4Only => (RecordType::A, None),
            DnsFamily::V6Only => (RecordType::AAAA, None),
            DnsFamily::V4Preferred => (RecordType::A, Some((RecordType::AAAA, false))),
            DnsFamily::All => (RecordType::A, Some((RecordType::AAAA, true))),
        };
        let Some((second, both)) = second else { return self.ask(&parsed, first, servers).await };
        if !both {
            let first = self.ask(&parsed, first, servers).await;
            if first.as_ref().is_ok_and(|answer| !answer.addresses.is_empty()) {
                return first;
            }
            let second = self.ask(&parsed, second, servers).await;
            // A name without addresses of one family may have some of the other: only two answers say that it has none.
            return match (first, second) {
                (Err(failure), Ok(second)) if second.addresses.is_empty() => Err(failure),
                (_, second) => second,
            };
        }
        let (first, second) =
            futures_util::future::join(self.ask(&parsed, first, servers), self.ask(&parsed, second, servers)).await;
        match (first, second) {
            (Ok(mut first), Ok(second)) => {
                first.addresses.extend(second.addresses);
                first.ttl = [first.ttl, second.ttl].into_iter().flatten().min();
                Ok(first)
            }
            (Ok(answer), Err(_)) | (Err(_), Ok(answer)) if !answer.addresses.is_empty() => Ok(answer),
            (Err(failure), _) | (_, Err(failure)) => Err(failure),
        }
    }

    async fn ask(&self, name: &Name, kind: RecordType, servers: &[SocketAddr]) -> Result<Answer, LookupFailure> {
        if let Some(answer) = self.static_answer(name, kind) {
            return Ok(answer);
        }
        let client = self.client(servers)?;
        match client.lookup(name.clone(), kind).await {
            Ok(lookup) => {
                let addresses: Vec<IpAddr> =
                    lookup.answers().iter().filter_map(|record| address(&record.data)).collect();
                let ttl = lookup.valid_until().saturating_duration_since(Instant::now());
                Ok(Answer { ttl: (!addresses.is_empty()).then_some(ttl), addresses })
            }
            // The name is not there, or not with this family: that is an answer.
            Err(NetError::Dns(error)) if is_empty_answer(&error) => Ok(Answer::default()),
            Err(error) => Err(LookupFailure(error.to_string())),
        }
    }

    /// What `/etc/hosts` says. The library looks there only for the first of the names that search domains give.
    fn static_answer(&self, name: &Name, kind: RecordType) -> Option<Answer> {
        let table = Arc::clone(&self.files.lock().unwrap_or_else(PoisonError::into_inner).table);
        let mut absolute = name.clone();
        absolute.set_fqdn(true);
        let lookup = table.lookup_static_host(&Query::query(absolute, kind))?;
        let addresses: Vec<IpAddr> = lookup.answers().iter().filter_map(|record| address(&record.data)).collect();
        (!addresses.is_empty()).then_some(Answer { addresses, ttl: None })
    }

    fn client(&self, servers: &[SocketAddr]) -> Result<TokioResolver, LookupFailure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(servers) {
            return Ok(client.clone());
        }
        let (config, mut options) = if servers.is_empty() {
            let text = fs::read(&self.resolv_conf)
                .map_err(|error| LookupFailure(format!("{}: {error}", self.resolv_conf.display())))?;
            hickory_resolver::system_conf::parse_resolv_conf(text)
                .map_err(|error| LookupFailure(format!("{}: {error}", self.resolv_conf.display())))?
        } else {
            (ResolverConfig::from_name_servers(servers.iter().map(server).collect()), ResolverOpts::default())
        };
        // Envoy's resolver keeps no cache either: the cluster itself holds the answers, for as long as its settings say.
        options.cache_size = 0;
        options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        let client = builder.build().map_err(|error| LookupFailure(error.to_string()))?;
        clients.insert(servers.to_vec(), client.clone());
        Ok(client)
    }

    /// Takes over what has changed in the system's files since the last look-up.
    fn reread(&self) {
        let changed = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (resolv_conf, hosts) = (changed(&self.resolv_conf), changed(&self.hosts_file));
        if resolv_conf != files.resolv_conf {
            files.resolv_conf = resolv_conf;
            self.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&[][..]);
        }
        if hosts != files.hosts {
            files.hosts = hosts;
            let mut table = Hosts::default();
            // A file that cannot be read is an empty one.
            let _unreadable = fs::File::open(&self.hosts_file).map(|file| table.read_hosts_conf(file));
            files.table = Arc::new(table);
        }
    }
}

fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(address.ip(), true, vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())])
}

fn is_empty_answer(error: &hickory_resolver::net::DnsError) -> bool {
    use hickory_resolver::net::DnsError;
    use hickory_resolver::proto::op::ResponseCode;
    match error {
        DnsError::NoRecordsFound(found) => {
            matches!(found.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
