//! `--mode validate`: everything of a configuration that can be judged without binding or connecting. Called by `app`, and by tests that
//! hold its verdicts against Envoy's. It must find what serving would refuse, and all of it: whoever mends a file wants the list.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use config::bootstrap::{Bootstrap, BootstrapError, Examined, StaticConfig, line_of};
use config::discreet::shown;
use config::listener::Listener as Config;
use config::tls::SecretId;
use config::{At, Rejection};

use super::bootstrap::{complete, examine, static_options};
use super::control_plane::GrpcServers;
use crate::cli::Options;
use crate::cluster::dns::Resolver;
use crate::compile::CompileDeps;
use crate::discoveries::Discoveries;
use crate::layers::Layers;
use crate::listener::Listener;
use crate::listener::bind::{self, AdminPlace};
use crate::logs::{AccessLogs, SinkSettings, Sinks};
use crate::stats::{Stats, StatsSettings};
use crate::tls::Secrets;
use crate::xds::clusters;
use crate::xds::routes::Routes;

/// What is to be said of a configuration.
#[derive(Debug, Default)]
pub struct Judged {
    /// What it asks for and does not get.
    pub notes: Vec<String>,
    /// Fields that there are not and that are left out, where that was asked for.
    pub unknown: Vec<String>,
    /// Why it cannot be used; none if it can.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct Fault {
    /// Path of the field from the root of its file; empty where no field is to blame.
    pub path: String,
    /// The sentence, the file and the path in it.
    pub sentence: String,
    /// It is valid for Envoy, and not supported here.
    pub is_unsupported: bool,
}

impl Fault {
    /// `FILE:LINE: FIELD: what is wrong`, where the file of that text is to blame.
    pub fn placed(&self, name: &str, text: &str) -> String {
        match self.sentence.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")) {
            Some(sentence) => {
                let line = line_of(text, &self.path).map_or(String::new(), |line| format!(":{line}"));
                format!("{name}{line}: {sentence}")
            }
            None => self.sentence.clone(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.sentence)
    }
}

impl From<String> for Fault {
    fn from(sentence: String) -> Fault {
        Fault { path: String::new(), sentence, is_unsupported: false }
    }
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Fault {
        let sentence = rejection.to_string();
        Fault { path: rejection.path, sentence, is_unsupported: rejection.is_unsupported }
    }
}

impl From<&BootstrapError> for Fault {
    fn from(error: &BootstrapError) -> Fault {
        let (path, is_unsupported) = match error {
            BootstrapError::Field { rejection, .. } => (rejection.path.clone(), rejection.is_unsupported),
            _ => (String::new(), false),
        };
        Fault { path, sentence: error.to_string(), is_unsupported }
    }
}

impl Judged {
    /// Each fault in one sentence.
    pub fn reasons(&self) -> Vec<String> {
        self.faults.iter().map(ToString::to_string).collect()
    }

    /// The same with the lines of the file that the command line names.
    pub(super) fn placed(&self, options: &Options) -> Vec<String> {
        let file = options.config_path.as_ref().filter(|_| options.config_yaml.as_ref().is_none_or(String::is_empty));
        let Some(path) = file else { return self.reasons() };
        // It was read before; what is not there any more has no lines.
        let text =
            if self.faults.is_empty() { String::new() } else { std::fs::read_to_string(path).unwrap_or_default() };
        let name = path.display().to_string();
        self.faults.iter().map(|fault| fault.placed(&name, &text)).collect()
    }
}

/// A sentence `FILE: FIELD: what is wrong` with the line of that field, where the file is the one that the command line names.
pub(super) fn placed(options: &Options, sentence: &str) -> String {
    let merged = options.config_yaml.as_ref().is_some_and(|text| !text.is_empty());
    let Some(file) = options.config_path.as_ref().filter(|_| !merged) else { return sentence.to_owned() };
    let name = file.display().to_string();
    let Some(rest) = sentence.strip_prefix(&*name).and_then(|rest| rest.strip_prefix(": ")) else {
        return sentence.to_owned();
    };
    // Names in a path stand in quotes, and may hold colons.
    let ends = rest.match_indices(": ").map(|(at, _)| at).find(|at| rest[..*at].matches('"').count() % 2 == 0);
    let path = ends.map_or("", |end| &rest[..end]).to_owned();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    Fault { path, sentence: sentence.to_owned(), is_unsupported: false }.placed(&name, &text)
}

/// Judges what the command line names. At least one fault for each resource that is no good.
pub fn judge(options: &Options) -> Judged {
    let Examined { bootstrap, faults, unread_clusters } = match examine(options) {
        Ok(examined) => examined,
        Err(reason) => return Judged { faults: vec![reason.into()], ..Judged::default() },
    };
    let mut judged = Judged { faults: faults.iter().map(Fault::from).collect(), ..Judged::default() };
    match bootstrap.map(|bootstrap| complete(bootstrap, options)) {
        Some(Ok(bootstrap)) => {
            judged.unknown.clone_from(&bootstrap.unknown);
            let checks = static_options(options, &bootstrap);
            judged.faults.extend(Layers::can_watch(&bootstrap.layers).err().map(Fault::from));
            judged.resources(&bootstrap, &checks, &unread_clusters);
            judged.unknown.extend(checks.take_unknown());
            judged.notes.extend(bootstrap.ignored.iter().cloned().chain(checks.take_notes()));
        }
        Some(Err(reason)) => judged.faults.push(reason.into()),
        None => {}
    }
    judged
}

impl Judged {
    /// Static resources, and the control plane that is named.
    fn resources(&mut self, bootstrap: &Bootstrap, checks: &config::Options, unread_clusters: &[Arc<str>]) {
        let stats = Stats::new(StatsSettings::of(bootstrap));
        let secrets = Secrets::new();
        let sinks = Sinks::new(SinkSettings { opens: false, ..SinkSettings::default() });
        let routes = Routes::default();
        let discoveries = Discoveries::new(stats.clone());
        let deps = CompileDeps {
            secrets: &secrets,
            stats: &stats,
            log_sinks: &sinks,
            discoveries: &discoveries,
            drain: Default::default(),
        };
        let names = bootstrap.static_clusters.iter().map(|cluster| &cluster.name).chain(unread_clusters);
        let there: HashSet<&str> = names.map(|name| &**name).collect();
        let admin = bootstrap.admin.as_ref().map(AdminPlace::of);
        let (mut listeners, mut again): (Vec<Arc<Config>>, _) = (Vec::new(), Vec::new());
        let mut read = HashSet::new();
        // What the control plane may send is not known here.
        let is_known = |name: &str| bootstrap.cds.is_some() || there.contains(name);
        let checked = bootstrap.each_static(checks, |resource, config| match config {
            StaticConfig::Secret(secret) => {
                let id = SecretId::of_bootstrap(&resource.name);
                secrets.update(&id, secret.kind).map_err(|reason| At::root().reject(reason))
            }
            StaticConfig::Cluster(cluster) => clusters::made(cluster, &secrets, &stats, &discoveries).map(drop),
            StaticConfig::Listener(listener) => {
                read.insert(resource.name.clone());
                let mut nowhere = listener.leads_nowhere(&|name| there.contains(name)).into_iter();
                if let Some(first) = nowhere.next() {
                    checks.add_faults(nowhere);
                    return Err(first);
                }
                Listener::compile(listener.clone(), &deps, &routes, None)?;
                again.extend(listener.logs_to_nowhere(&is_known));
                if listeners.iter().any(|other| other.name == listener.name) {
                    again.push(format!(
                        "static_resources.listeners[\"{}\"]: is the name of an earlier one too, which alone serves",
                        shown(&listener.name)
                    ));
                    return Ok(());
                }
                let taken = listeners.iter().find_map(|other| bind::duplicate(&listener, other));
                let apart = admin.as_ref().map_or(Ok(()), |admin| admin.is_apart_from(&listener));
                listeners.push(listener);
                apart.and(taken.map_or(Ok(()), Err))
            }
        });
        self.notes.extend(again);
        AccessLogs::compile(&bootstrap.admin_logs, &sinks, &stats);
        self.notes.extend(sinks.cannot_be_opened());
        self.faults.extend(checked.err().unwrap_or_default().iter().map(Fault::from));
        let nowhere = bootstrap.leads_nowhere(&read, &|name| there.contains(name));
        self.faults.extend(nowhere.iter().map(Fault::from));
        // A cluster that is refused cannot be connected to, which need not be told, too.
        if self.faults.is_empty() {
            self.faults.extend(control_plane(bootstrap, &secrets).err().map(Fault::from));
        }
    }
}

fn control_plane(bootstrap: &Bootstrap, secrets: &Arc<Secrets>) -> Result<(), String> {
    let servers = GrpcServers::new(bootstrap, secrets, &Resolver::system())?;
    match &bootstrap.ads {
        None => Ok(()),
        Some(ads) => {
            servers.settings(ads).map(drop).map_err(|reason| format!("dynamic_resources.ads_config: {reason}"))
        }
    }
}

#[cfg(test)]
mod tests;
