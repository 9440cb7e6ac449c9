//! A real mesh on one machine: etcd, kube-apiserver, istiod, and workloads that are each a network namespace with a real
//! pilot-agent, a proxy (Outrigger or Envoy) and applications. The mesh tests, the recorder and nothing else start one.
//!
//! Needs root and the programs of `tools.sh`. Every wait has a deadline and a poll, never a bare sleep; everything started is
//! ended by its own id when the lab is dropped, also by a panic, and what a killed run left behind is swept by the next one.
//! It must never touch the machine's own network: links, bridges and addresses exist inside its namespaces alone.

pub mod curl;
pub mod istiod;
pub mod kube;
pub mod net;
pub mod objects;
pub mod process;
pub mod tools;
pub mod wait;
pub mod workload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use istiod::{Istiod, Settings};
use kube::Kube;
use net::{Host, Network};
use proxy::cli::complain;
use tools::Tools;
use workload::{Workload, WorkloadSpec};

/// What can go wrong here is told to a person who reads test output: a text is enough.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long a server of the control plane may take to come up on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// The control plane's own address in every lab (labs never see each other).
pub const CONTROL_PLANE: u8 = 1;

/// One control plane and its network. Fields end in the order of their declaration: the network goes last.
pub struct Lab {
    istiod: Istiod,
    /// The API server, for applying and reading objects.
    pub kube: Kube,
    control_plane: Host,
    tools: Tools,
    folder: LabFolder,
    network: Network,
}

impl Lab {
    /// Starts etcd, the API server and istiod, with Istio's CRDs and the mesh configuration applied.
    pub fn start(tools: Tools, settings: Settings) -> Result<Self> {
        Network::sweep_leftovers()?;
        let folder = LabFolder::create()?;
        let network = Network::create()?;
        let control_plane = network.host("cp", CONTROL_PLANE, net::Resolver::Refuses)?;
        let kube = Kube::start(&tools, &control_plane, folder.path(), START_DEADLINE)?;
        kube.apply(&std::fs::read_to_string(
            tools.istio_folder()?.join("manifests/charts/base/files/crd-all.gen.yaml"),
        )?)?;
        for object in settings.objects() {
            kube.apply(&object)?;
        }
        let istiod = Istiod::start(&tools, &control_plane, folder.path(), settings, START_DEADLINE)?;
        Ok(Self { istiod, kube, control_plane, tools, folder, network })
    }

    /// Applies YAML objects, one or many, and returns when the API server has accepted them.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        self.kube.apply(yaml)
    }

    /// A host without proxy or applications, at `10.77.0.LAST`.
    pub fn host(&self, name: &str, last: u8) -> Result<Host> {
        self.network.host(name, last, net::Resolver::Refuses)
    }

    /// Onboards a workload of an applied `WorkloadGroup` and starts its agent. It may not be ready yet.
    pub fn workload(&self, spec: WorkloadSpec) -> Result<Workload> {
        let host = self.network.host(&spec.name, spec.address, spec.resolver)?;
        Workload::start(&self.tools, &self.kube, host, self.folder.path(), spec)
    }

    /// Where istiod and the API server run.
    pub fn control_plane(&self) -> &Host {
        &self.control_plane
    }

    /// The programs of this lab.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Logs and state of everything in this lab. Gone with the lab unless `OUTRIGGER_LAB_KEEP` is set.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends istiod; workloads keep running with what they have.
    pub fn stop_istiod(&mut self) -> Result<()> {
        self.istiod.stop()
    }

    /// Starts istiod again after [`Lab::stop_istiod`], with the same settings and the same root certificate.
    pub fn start_istiod(&mut self) -> Result<()> {
        self.istiod.start_again(START_DEADLINE)
    }

    /// The last `lines` lines of every log, for a failed test's output.
    pub fn log_tails(&self, lines: usize) -> String {
        process::log_tails(self.folder.path(), lines)
    }
}

/// A temporary folder that goes with the lab, or stays when `OUTRIGGER_LAB_KEEP` is set.
struct LabFolder(Option<tempfile::TempDir>, PathBuf);

impl LabFolder {
    fn create() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("outrigger-lab-").tempdir()?;
        if std::env::var_os("OUTRIGGER_LAB_KEEP").is_some() {
            let path = folder.keep();
            complain(format_args!("lab: keeping {}", path.display()));
            return Ok(Self(None, path));
        }
        let path = folder.path().to_owned();
        Ok(Self(Some(folder), path))
    }

    fn path(&self) -> &Path {
        self.0.as_ref().map_or(self.1.as_path(), |folder| folder.path())
    }
}
