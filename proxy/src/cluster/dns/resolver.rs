//! One resolver for all clusters: `/etc/hosts`, then the servers of `/etc/resolv.conf` or those that the cluster names.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use config::cluster::{DnsFamily, DnsResolver};
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};
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
    /// By what clusters say of whom to ask, and how. Built when first needed.
    clients: Mutex<HashMap<DnsResolver, TokioResolver>>,
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

    /// Looks a name up, of the families that are wanted, as `how` says.
    ///
    /// # Errors
    /// No server answered, or one answered with a failure; the text says which.
    pub async fn lookup(&self, name: &str, family: DnsFamily, how: &DnsResolver) -> Result<Answer, LookupFailure> {
        let mut answer = self.of_families(name, family, how).await?;
        if how.routable_only {
            let routable = Routable::of_now();
            answer.addresses.retain(|address| routable.reaches(address));
        }
        Ok(answer)
    }

    async fn of_families(&self, name: &str, family: DnsFamily, how: &DnsResolver) -> Result<Answer, LookupFailure> {
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
        let Some((second, both)) = second else { return self.ask(&parsed, first, how).await };
        if !both {
            let first = self.ask(&parsed, first, how).await;
            if first.as_ref().is_ok_and(|answer| !answer.addresses.is_empty()) {
                return first;
            }
            let second = self.ask(&parsed, second, how).await;
            // A name without addresses of one family may have some of the other: only two answers say that it has none.
            return match (first, second) {
                (Err(failure), Ok(second)) if second.addresses.is_empty() => Err(failure),
                (_, second) => second,
            };
        }
        let (first, second) =
            futures_util::future::join(self.ask(&parsed, first, how), self.ask(&parsed, second, how)).await;
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

    async fn ask(&self, name: &Name, kind: RecordType, how: &DnsResolver) -> Result<Answer, LookupFailure> {
        if let Some(answer) = self.static_answer(name, kind) {
            return Ok(answer);
        }
        let client = self.client(how)?;
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

    fn client(&self, how: &DnsResolver) -> Result<TokioResolver, LookupFailure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(how) {
            return Ok(client.clone());
        }
        let (config, options) = self.settings(how)?;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        let client = builder.build().map_err(|error| LookupFailure(error.to_string()))?;
        if clients.len() >= MOST_CLIENTS {
            // Clusters come and go, and what they asked with is not needed for ever.
            clients.clear();
        }
        clients.insert(how.clone(), client.clone());
        Ok(client)
    }

    /// What the system's file says, as far as the cluster does not say otherwise.
    fn settings(&self, how: &DnsResolver) -> Result<(ResolverConfig, ResolverOpts), LookupFailure> {
        let failed = |error: &dyn std::fmt::Display| LookupFailure(format!("{}: {error}", self.resolv_conf.display()));
        let text = fs::read(&self.resolv_conf).map_err(|error| failed(&error));
        let system = text
            .and_then(|text| hickory_resolver::system_conf::parse_resolv_conf(text).map_err(|error| failed(&error)));
        let (config, mut options) = match system {
            Ok(system) => system,
            // Then there are no search domains, and nobody but those whom the cluster names.
            Err(_) if !how.servers.is_empty() => Default::default(),
            Err(failure) => return Err(failure),
        };
        let (domain, search, mut servers) = config.into_parts();
        if !how.servers.is_empty() && (!how.is_fallback || servers.is_empty()) {
            servers = how.servers.iter().map(server).collect();
        }
        if how.tcp {
            for server in &mut servers {
                server.connections.retain(|connection| matches!(connection.protocol, ProtocolConfig::Tcp));
            }
        }
        options.timeout = how.timeout.unwrap_or(options.timeout);
        // The first time is no attempt to the library.
        options.attempts = how.tries.map_or(options.attempts, |tries| tries.saturating_sub(1) as usize);
        options.server_ordering_strategy = match how.rotates {
            true => ServerOrderingStrategy::RoundRobin,
            false => ServerOrderingStrategy::UserProvidedOrder,
        };
        if let Some(payload) = how.payload {
            (options.edns0, options.edns_payload_len) = (true, payload);
        }
        // Envoy's resolver keeps no cache either: the cluster itself holds the answers, for as long as its settings say.
        options.cache_size = 0;
        options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
        let (domain, search) = if how.no_search { (None, Vec::new()) } else { (domain, search) };
        Ok((ResolverConfig::from_parts(domain, search, servers), options))
    }

    /// Takes over what has changed in the system's files since the last look-up.
    fn reread(&self) {
        let changed = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (resolv_conf, hosts) = (changed(&self.resolv_conf), changed(&self.hosts_file));
        if resolv_conf != files.resolv_conf {
            files.resolv_conf = resolv_conf;
            self.clients.lock().unwrap_or_else(PoisonError::into_inner).clear();
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

/// Families that some interface besides the loopback has an address of.
struct Routable {
    four: bool,
    six: bool,
}

impl Routable {
    fn of_now() -> Routable {
        // Nobody can tell: then nothing is left out, as in Envoy.
        let Ok(interfaces) = if_addrs::get_if_addrs() else { return Routable { four: true, six: true } };
        let has = |four: bool| interfaces.iter().any(|one| !one.ip().is_loopback() && one.ip().is_ipv4() == four);
        Routable { four: has(true), six: has(false) }
    }

    fn reaches(&self, address: &IpAddr) -> bool {
        if address.is_ipv4() { self.four } else { self.six }
    }
}

/// So many ways to ask are remembered.
const MOST_CLIENTS: usize = 256;

#[cfg(test)]
pub(super) mod tests;
