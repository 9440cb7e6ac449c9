//! The proxies that are measured, and how each is started with a config.

use std::path::{Path, PathBuf};

/// A proxy program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Ours.
    Outrigger,
    /// Envoy.
    Envoy,
    /// HAProxy.
    Haproxy,
    /// nginx.
    Nginx,
}

impl Kind {
    /// All, in the order of the report.
    pub const ALL: [Kind; 4] = [Kind::Outrigger, Kind::Envoy, Kind::Haproxy, Kind::Nginx];

    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Outrigger => "Outrigger",
            Kind::Envoy => "Envoy",
            Kind::Haproxy => "HAProxy",
            Kind::Nginx => "nginx",
        }
    }
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Ours.
    pub outrigger: PathBuf,
    /// Envoy.
    pub envoy: PathBuf,
}

impl Programs {
    /// The command line that runs a contender with the config that [`super::configs`] wrote for it.
    pub fn argv(&self, kind: Kind, config: &Path) -> Vec<String> {
        let config = config.display().to_string();
        let words: Vec<String> = match kind {
            Kind::Outrigger | Kind::Envoy => {
                let program = if kind == Kind::Outrigger { &self.outrigger } else { &self.envoy };
                let mut words = vec![program.display().to_string(), "-c".into(), config];
                words.extend(
                    ["--concurrency", "1", "-l", "warning", "--disable-hot-restart", "--enable-core-dump"]
                        .map(String::from),
                );
                words
            }
            Kind::Haproxy => vec!["haproxy".into(), "-db".into(), "-f".into(), config],
            Kind::Nginx => vec!["nginx".into(), "-c".into(), config],
        };
        words
    }
}
