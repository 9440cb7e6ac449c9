//! Envoy's loggers and their levels, and which part of the code writes to which.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use tracing::level_filters::LevelFilter;

use clap::ValueEnum;

/// Levels of the process's own log, as Envoy names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// For those who look for a fault.
    Debug,
    /// Life events.
    Info,
    /// Something an operator may want to change.
    #[value(alias = "warn")]
    Warning,
    /// Something is wrong.
    Error,
    /// The process cannot go on.
    Critical,
    /// Nothing.
    Off,
}

/// Envoy's logger names, in the order in which it lists them. Those of parts that do not exist here are kept: tools set them.
pub const LOGGERS: &[&str] = &[
    "a2a",
    "admin",
    "ai_protocol_manager",
    "alternate_protocols_cache",
    "aws",
    "assert",
    "backtrace",
    "basic_auth",
    "cache_filter",
    "client",
    "config",
    "connection",
    "conn_handler",
    "compression",
    "credential_injector",
    "decompression",
    "dns",
    "dubbo",
    "envoy_bug",
    "ext_authz",
    "ext_proc",
    "rocketmq",
    "file",
    "filter",
    "forward_proxy",
    "geolocation",
    "grpc",
    "happy_eyeballs",
    "hc",
    "health_checker",
    "http",
    "http2",
    "hystrix",
    "init",
    "io",
    "jwt",
    "json_rpc",
    "kafka",
    "key_value_store",
    "lua",
    "local_rate_limit",
    "main",
    "matcher",
    "mcp",
    "misc",
    "mongo",
    "multi_connection",
    "notification",
    "oauth2",
    "quic",
    "quic_stream",
    "pool",
    "rate_limit_quota",
    "rbac",
    "rds",
    "redis",
    "router",
    "runtime",
    "stats",
    "secret",
    "sse",
    "tap",
    "testing",
    "thrift",
    "tracing",
    "upstream",
    "udp",
    "wasm",
    "websocket",
    "golang",
    "stats_sinks",
    "dynamic_modules",
    "ip_tagging",
    AUDIT,
];

/// One line for each change of policy, of certificates and of roots that took effect. No logger of Envoy's: `-l`, which agents set to
/// `warning`, does not silence it; `off` and its own level do.
pub const AUDIT: &str = "audit";

/// Beginnings of module paths and their loggers; the longest that fits wins. All else is `misc`.
const MODULES: &[(&str, &str)] = &[
    ("proxy", "main"),
    ("outrigger", "main"),
    ("proxy::admin", "admin"),
    ("proxy::cluster", "upstream"),
    ("proxy::cluster::dns", "dns"),
    ("proxy::cluster::health", "hc"),
    ("proxy::cluster::pool", "pool"),
    ("proxy::http", "http"),
    ("proxy::http::attempt", "router"),
    ("proxy::http::filters", "filter"),
    ("proxy::wire::h2", "http2"),
    ("proxy::http::retry", "router"),
    ("proxy::http::route", "router"),
    ("proxy::listener", "conn_handler"),
    ("proxy::tcp", "filter"),
    ("proxy::telemetry", "misc"),
    ("proxy::logs", "file"),
    ("proxy::log_files", "file"),
    ("proxy::telemetry::stats", "stats"),
    ("proxy::tls", "connection"),
    ("proxy::tls::secret", "secret"),
    ("proxy::transport", "connection"),
    ("proxy::xds", "config"),
    ("config", "config"),
    ("outrigger_config", "config"),
    ("xds_client", "config"),
    ("outrigger_xds_client", "config"),
    ("outrigger_xds_client::sds", "secret"),
    ("xds_client::sds", "secret"),
    ("h2", "http2"),
    ("hickory", "dns"),
    ("hyper", "client"),
    ("rustls", "connection"),
    ("tonic", "grpc"),
    ("tower", "grpc"),
];

/// Levels of all loggers.
pub struct Levels(Vec<AtomicU8>);

impl Levels {
    /// All at one level.
    pub fn new(level: LogLevel) -> Levels {
        let of = |logger: &str| match level {
            LogLevel::Off => LogLevel::Off,
            _ if logger == AUDIT => LogLevel::Info,
            level => level,
        };
        Levels(LOGGERS.iter().map(|logger| AtomicU8::new(of(logger) as u8)).collect())
    }

    /// Level of a logger, by its place in [`LOGGERS`].
    pub fn get(&self, logger: usize) -> LogLevel {
        ALL[usize::from(self.0[logger].load(Relaxed))]
    }

    /// Sets it. Places that log learn of it when the interest cache is built again.
    pub fn set(&self, logger: usize, level: LogLevel) {
        self.0[logger].store(level as u8, Relaxed);
    }

    pub fn enabled(&self, target: &str, level: LogLevel) -> bool {
        // An error may turn out to be a critical one: only `off` silences it for sure.
        let own = self.get(logger_of(target));
        level >= own || (level == LogLevel::Error && own == LogLevel::Critical)
    }

    pub fn most_verbose(&self) -> LevelFilter {
        let lowest = (0..LOGGERS.len()).map(|logger| self.get(logger)).min().unwrap_or(LogLevel::Off);
        match lowest {
            LogLevel::Trace => LevelFilter::TRACE,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warning => LevelFilter::WARN,
            LogLevel::Error | LogLevel::Critical => LevelFilter::ERROR,
            LogLevel::Off => LevelFilter::OFF,
        }
    }
}

const ALL: [LogLevel; 7] = [
    LogLevel::Trace,
    LogLevel::Debug,
    LogLevel::Info,
    LogLevel::Warning,
    LogLevel::Error,
    LogLevel::Critical,
    LogLevel::Off,
];

/// `trace` to `off`.
pub fn level_name(level: LogLevel) -> &'static str {
    ["trace", "debug", "info", "warning", "error", "critical", "off"][level as usize]
}

/// The reverse of [`level_name`]; `warn` is taken too.
pub fn parse_level(name: &str) -> Option<LogLevel> {
    if name == "warn" {
        return Some(LogLevel::Warning);
    }
    ALL.into_iter().find(|level| level_name(*level) == name)
}

/// `a:b,c:d` as numbers of [`LOGGERS`] and levels. The error says which part is wrong.
pub fn parse_levels(text: &str) -> Result<Vec<(usize, LogLevel)>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, level) = part.split_once(':').ok_or(format!("`{part}` is not NAME:LEVEL"))?;
            let all = || format!("there is no logger `{name}`; give one of {}", LOGGERS.join(", "));
            let logger = logger(name).ok_or_else(all)?;
            let level = parse_level(level)
                .ok_or(format!("`{level}` is no level (trace, debug, info, warning, error, critical, off)"))?;
            Ok((logger, level))
        })
        .collect()
}

fn logger(name: &str) -> Option<usize> {
    LOGGERS.iter().position(|logger| *logger == name)
}

/// The logger of a `tracing` target: a logger's own name, or the module's.
pub fn logger_of(target: &str) -> usize {
    if let Some(exact) = logger(target) {
        return exact;
    }
    let inside =
        |module: &str| target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || !rest.starts_with(is_word));
    let longest = MODULES.iter().filter(|(module, _)| inside(module)).max_by_key(|(module, _)| module.len());
    longest.and_then(|(_, name)| logger(name)).or(logger("misc")).unwrap_or(0)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
}

pub fn of(level: &tracing::Level) -> LogLevel {
    match *level {
        tracing::Level::TRACE => LogLevel::Trace,
        tracing::Level::DEBUG => LogLevel::Debug,
        tracing::Level::INFO => LogLevel::Info,
        tracing::Level::WARN => LogLevel::Warning,
        tracing::Level::ERROR => LogLevel::Error,
    }
}
