//! Envoy's options, one field each, in the order in which `--help` shows them. Admin's `/server_info` shows them again.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::telemetry::process_log::LogLevel;

const EXAMPLES: &str = "\
Examples:
  Start with a bootstrap file, as an agent does:
    outrigger -c etc/istio/proxy/envoy-rev.json --drain-time-s 45 --concurrency 2 -l warning

  Say whether a bootstrap file can be used, then exit (0: yes, 1: no, and why):
    outrigger --mode validate -c bootstrap.yaml

  Change one thing of a file without touching it (the text is merged over it):
    outrigger -c bootstrap.json --config-yaml '{admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}}'

  See more of one part, less of the rest:
    outrigger -c bootstrap.json -l warning --component-log-level upstream:debug,http:info

  Ask the proxy that runs on this machine (each command has a --help of its own):
    outrigger wait --timeout 30s
    outrigger explain details:9080

Signals: SIGTERM and SIGINT stop the process at once, and what is under way is cut (to drain first:
POST /drain_listeners?graceful, as pilot-agent does); SIGUSR1 opens log files again, SIGHUP is ignored.
Options that this program does not know are ignored with a warning.";

/// Each is a thread with sockets of its own.
const MOST_WORKERS: i64 = 1024;

/// A proxy for workloads of a service mesh. Takes Envoy's arguments and Envoy's bootstrap.
#[derive(Debug, Clone, Parser)]
#[command(name = "outrigger", disable_version_flag = true, args_override_self = true, after_help = EXAMPLES, max_term_width = 110)]
pub struct Options {
    /// Bootstrap file: JSON (.json), or YAML (any other ending)
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config_path: Option<PathBuf>,

    /// Bootstrap as text, JSON or YAML; merged over the file of -c where both are given
    #[arg(long, value_name = "TEXT")]
    pub config_yaml: Option<String>,

    /// serve: run; validate: check the configuration and exit; init_only: start, then exit
    #[arg(long, value_enum, default_value_t = Mode::Serve, value_name = "MODE")]
    pub mode: Mode,

    /// Worker threads, at most 1024 [default: one for each core that the process may run on, and no more than the CPU quota of its container, rounded up]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=MOST_WORKERS))]
    pub concurrency: Option<u32>,

    /// How long connections are given to end once draining began
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    pub drain_time_s: u32,

    /// immediate: every connection is told to close at once; gradual: more and more of them during the drain time
    #[arg(long, value_enum, default_value_t = DrainStrategy::Gradual, value_name = "STRATEGY")]
    pub drain_strategy: DrainStrategy,

    /// Address family of the host's own address when none is given
    #[arg(long, value_enum, default_value_t = IpVersion::V4, value_name = "VERSION")]
    pub local_address_ip_version: IpVersion,

    /// A line of an access log waits no longer than this before it is written out
    #[arg(long, default_value_t = 10_000, value_name = "MILLISECONDS")]
    pub file_flush_interval_msec: u32,

    /// Lines of an access log are written out at once when there is this much of them [default: 64]
    #[arg(long, value_name = "KIB")]
    pub file_flush_min_size_kb: Option<u32>,

    /// Log level of the process's own log (stderr)
    #[arg(short = 'l', long, value_enum, default_value_t = LogLevel::Info, value_name = "LEVEL")]
    pub log_level: LogLevel,

    /// Log levels of single components, e.g. upstream:debug,config:trace
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME:LEVEL,…")]
    pub component_log_level: String,

    /// Pattern of a log line: %Y-%m-%d %T.%e time, %t thread, %l level, %n component, %g:%# file and line, %v message
    #[arg(long, default_value = crate::telemetry::process_log::DEFAULT_PATTERN, value_name = "PATTERN")]
    pub log_format: String,

    /// Write messages with \n, \r and \t spelt out, one line each
    #[arg(long)]
    pub log_format_escaped: bool,

    /// File for the process's own log instead of stderr
    #[arg(long, value_name = "FILE")]
    pub log_path: Option<PathBuf>,

    /// Do not log the use of deprecated fields
    #[arg(long)]
    pub skip_deprecated_logs: bool,

    /// Ignore unknown fields of the bootstrap instead of refusing it, but for those that say something of policy, certificates or secrets
    #[arg(long, alias = "allow-unknown-fields")]
    pub allow_unknown_static_fields: bool,

    /// Refuse resources from the control plane that have unknown fields
    #[arg(long)]
    pub reject_unknown_dynamic_fields: bool,

    /// Do not count or log unknown fields of resources from the control plane
    #[arg(long)]
    pub ignore_unknown_dynamic_fields: bool,

    /// File to write the admin listener's address into
    #[arg(long, value_name = "FILE")]
    pub admin_address_path: Option<PathBuf>,

    /// Name of the cluster that this proxy serves, in place of what the bootstrap's node says
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub service_cluster: String,

    /// Identifier of this proxy, in place of what the bootstrap's node says
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    pub service_node: String,

    /// Zone of this proxy, in place of what the bootstrap's node says
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ZONE")]
    pub service_zone: String,

    /// A tag that all statistics have; may be given several times
    #[arg(long, value_name = "TAG:VALUE")]
    pub stats_tag: Vec<String>,

    /// Set resource limits so that a crash leaves a core file
    #[arg(long)]
    pub enable_core_dump: bool,

    /// Accepted: without --concurrency the process's CPU set always counts, and beside it this changes nothing, as in Envoy
    #[arg(long)]
    pub cpuset_threads: bool,

    /// Folder for the last configuration that was accepted; a proxy that starts while its control plane is away serves it
    #[arg(long, value_name = "DIR")]
    pub config_cache: Option<PathBuf>,

    /// Keep resources that hold secrets there, too (the file is for its owner alone)
    #[arg(long)]
    pub config_cache_secrets: bool,

    /// Print the version and exit
    #[arg(long)]
    pub version: bool,

    /// Print the hot restart version and exit (there is no hot restart: one process, one epoch)
    #[arg(long)]
    pub hot_restart_version: bool,

    // Taken so that they are not warned about; nothing hangs on them, for there is no hot restart.
    /// Accepted: there is no hot restart
    #[arg(long)]
    pub disable_hot_restart: bool,

    /// Accepted: there is no hot restart
    #[arg(long, default_value_t = 0, value_name = "N", hide_default_value = true)]
    pub restart_epoch: u32,

    /// Accepted: there is no hot restart
    #[arg(long, default_value_t = 0, value_name = "N", hide_default_value = true)]
    pub base_id: u32,

    /// Accepted: there is no hot restart
    #[arg(long)]
    pub use_dynamic_base_id: bool,

    /// Accepted: there is no hot restart
    #[arg(long, value_name = "FILE")]
    pub base_id_path: Option<PathBuf>,

    /// Accepted: there is no hot restart
    #[arg(long, default_value_t = 900, value_name = "SECONDS", hide_default_value = true)]
    pub parent_shutdown_time_s: u32,
}

/// `--mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Run.
    #[value(help = None)]
    Serve,
    /// Check the configuration and exit.
    Validate,
    /// Initialise and exit.
    #[value(name = "init_only")]
    InitOnly,
}

/// `--drain-strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DrainStrategy {
    /// A growing share of the connections is told to close during the drain time.
    Gradual,
    /// All at once.
    Immediate,
}

/// `--local-address-ip-version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Options {
    /// `--file-flush-interval-msec`.
    pub fn flush_interval(&self) -> Duration {
        Duration::from_millis(self.file_flush_interval_msec.into())
    }

    /// `--file-flush-min-size-kb`, in octets.
    pub fn flush_size(&self) -> usize {
        self.file_flush_min_size_kb.map_or(64, |kib| kib.max(1)) as usize * 1024
    }

    /// `--drain-time-s`.
    pub fn drain_time(&self) -> Duration {
        Duration::from_secs(self.drain_time_s.into())
    }

    /// `--stats-tag`, names and values.
    pub fn stats_tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.stats_tag.iter().filter_map(|tag| tag.split_once(':'))
    }

    /// What no single option can say: refusals that name the option and what to do.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.config_path.is_none() && self.config_yaml.as_ref().is_none_or(String::is_empty) {
            return Err("no configuration: give a bootstrap file with -c FILE, or its text with --config-yaml".into());
        }
        if let Some(reason) = self.stats_tag.iter().find_map(|tag| wrong_tag(tag)) {
            return Err(reason);
        }
        crate::telemetry::process_log::parse_levels(&self.component_log_level)
            .map(drop)
            .map_err(|reason| format!("--component-log-level {}: {reason}", self.component_log_level))
    }
}

/// Why something is no tag, in Envoy's words.
fn wrong_tag(tag: &str) -> Option<String> {
    let Some((name, value)) = tag.split_once(':') else { return Some(format!("misformatted stats-tag '{tag}'")) };
    let wrong = |part: &str| Some(format!("misformatted stats-tag '{tag}' contains invalid char in '{part}'"));
    match () {
        () if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_alphanumeric()) => wrong(name),
        () if value.is_empty() || value.contains('.') => wrong(value),
        () => None,
    }
}
