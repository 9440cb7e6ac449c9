//! Static resources, bytes to plain data. The proxy calls it when it starts and for `--mode validate`; what a resource becomes is the
//! caller's.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Bootstrap, BootstrapError, StaticResource};
use crate::cluster::{self, Cluster};
use crate::listener::{self, Listener};
use crate::options::Options;
use crate::rejection::{At, Rejection};
use crate::route::clusters::in_bytes;
use crate::secret::{self, Secret};

/// A static resource, read.
#[derive(Debug)]
pub enum StaticConfig {
    /// Of `static_resources.secrets`.
    Secret(Box<Secret>),
    /// Of `static_resources.clusters`.
    Cluster(Arc<Cluster>),
    /// Of `static_resources.listeners`.
    Listener(Arc<Listener>),
}

impl Bootstrap {
    /// Reads the static resources one by one, those that are referred to before those that refer, and hands each to `take`.
    ///
    /// # Errors
    /// Those that cannot be read, or that `take` refuses, each with its file and its place.
    pub fn each_static(
        &self,
        options: &Options,
        mut take: impl FnMut(&StaticResource, StaticConfig) -> Result<(), Rejection>,
    ) -> Result<(), Vec<BootstrapError>> {
        type Read = fn(&[u8], &Options) -> Result<StaticConfig, Rejection>;
        let lists: [(&str, &[StaticResource], Read); 3] = [
            ("secrets", &self.static_secrets, |body, options| {
                secret::decode(body, options).map(|secret| StaticConfig::Secret(Box::new(secret)))
            }),
            ("clusters", &self.static_clusters, |body, options| {
                cluster::decode(body, options).map(Arc::new).map(StaticConfig::Cluster)
            }),
            ("listeners", &self.static_listeners, |body, options| {
                listener::decode(body, options).map(Arc::new).map(StaticConfig::Listener)
            }),
        ];
        let mut faults = Vec::new();
        for (list, resources, read) in lists {
            for resource in resources {
                let taken = read(&resource.body, options).and_then(|config| take(resource, config));
                let beside = options.take_faults();
                if let Err(rejection) = taken {
                    faults.extend(std::iter::once(rejection).chain(beside).map(|one| resource.blame(list, one)));
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Clusters that are not there, of the static listeners that could not be read, which are all but those of these names.
    pub fn leads_nowhere(&self, read: &HashSet<Arc<str>>, known: &dyn Fn(&str) -> bool) -> Vec<BootstrapError> {
        let unread = self.static_listeners.iter().filter(|one| !read.contains(&one.name));
        let nowhere = unread.flat_map(|one| {
            let faults = in_bytes::leads_nowhere(&one.body, known);
            faults.into_iter().map(move |fault| one.blame("listeners", fault))
        });
        nowhere.collect()
    }
}

impl StaticResource {
    /// A rejection of this resource as the bootstrap's own error.
    fn blame(&self, list: &str, rejection: Rejection) -> BootstrapError {
        let root = At::root();
        let at = root.field("static_resources");
        let at = at.field(list);
        let rejection = rejection.below(&at.key(&self.name));
        BootstrapError::Field { file: self.file.to_string(), rejection }
    }
}
