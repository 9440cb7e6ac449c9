//! What a real istiod and a real pilot-agent sent to a proxy, kept in `integration/recordings/` and read by tests of any crate.
//!
//! A recording is a folder: `bootstrap.json` as the agent wrote it, and for each xDS type one file that is a serialised
//! `DeltaDiscoveryResponse` (`cds.pb`, `eds.pb`, `lds.pb`, `rds.pb`, `ecds.pb`) whose resources hold the bytes as they came. `sds.pb` is a
//! `DiscoveryResponse`, without the private key. Versions and nonces are blank, so that a new recording differs only where
//! istiod does. `cargo run -p outrigger-integration --bin outrigger-record` writes them all anew.

use std::path::{Path, PathBuf};

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse, Resource};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

/// The xDS types of a recording, by the names of their files.
pub const TYPES: &[(&str, &str)] = &[
    ("cds", "type.googleapis.com/envoy.config.cluster.v3.Cluster"),
    ("eds", "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"),
    ("lds", "type.googleapis.com/envoy.config.listener.v3.Listener"),
    ("rds", "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"),
    ("ecds", "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"),
];

/// The type of what SDS sends.
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// Any error of reading a recording.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// One recording, by its folder.
#[derive(Clone, Debug)]
pub struct Recording {
    folder: PathBuf,
}

impl Recording {
    /// The recording of this name below `integration/recordings/`.
    pub fn named(name: &str) -> Self {
        Self { folder: Self::root().join(name) }
    }

    /// Every recording there is.
    pub fn all() -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(Self::root())? {
            let folder = entry?.path();
            if folder.join("bootstrap.json").exists() {
                all.push(Self { folder });
            }
        }
        all.sort_by(|one, other| one.folder.cmp(&other.folder));
        Ok(all)
    }

    /// The folder's name.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What the agent wrote for the proxy.
    pub fn bootstrap(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.join("bootstrap.json"))?)
    }

    /// The resources of one type (`cds`, `eds`, `lds`, `rds`, `ecds`), with their names and bytes as they came; none if istiod sent none.
    pub fn resources(&self, kind: &str) -> Result<Vec<Resource>> {
        let path = self.folder.join(format!("{kind}.pb"));
        if !path.exists() {
            return Ok(Vec::new());
        }
        let bytes = std::fs::read(path)?;
        Ok(DeltaDiscoveryResponse::decode(bytes.as_slice())?.resources)
    }

    /// The secrets, without keys.
    pub fn secrets(&self) -> Result<Vec<Any>> {
        let bytes = std::fs::read(self.folder.join("sds.pb"))?;
        Ok(DiscoveryResponse::decode(bytes.as_slice())?.resources)
    }

    /// Where all recordings are.
    pub fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings")
    }
}
