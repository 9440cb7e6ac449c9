//! The embedded control plane: what istiod and the agents' sockets are to a mesh, in one process, without Go or root.
//!
//! Started by `cargo demo` and by tests. It serves ADS (delta and state of the world) and SDS on the two Unix sockets
//! in each workload's root folder, with resources of istiod's shape and a CA of its own. Tests change the mesh, edit
//! resources, rotate certificates, look at every request, and make it misbehave.
//!
//! ```no_run
//! # use outrigger_integration::control_plane::{ControlPlane, model::{Mesh, Protocol, Service, Workload}};
//! # async fn example(root: &std::path::Path) {
//! let mesh = Mesh::new()
//!     .service(Service::new("details").port(9080, Protocol::Http))
//!     .workload(Workload::new("ratings", [127, 0, 0, 3].into()).egress([127, 0, 0, 2].into(), 9080, Protocol::Http));
//! let control_plane = ControlPlane::start(mesh);
//! control_plane.serve("ratings-vm", root);
//! control_plane.change(|mesh| mesh.services.clear());
//! # }
//! ```

mod ads;
pub mod bootstrap;
pub mod ca;
mod grpc;
pub mod json;
pub mod model;
pub mod resources;
mod sds;
pub mod seen;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use bytes::Bytes;
use prost::Message;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::ca::{Authority, Leaf};
use self::model::Mesh;
use self::resources::{Body, ResourceSet};
use self::seen::{Record, Seen};

/// A change that a test makes to what a workload is sent, after generation.
type Edit = Box<dyn Fn(&mut ResourceSet) + Send>;

/// How a stream is ended badly, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misbehaviour {
    /// A well-framed message that is no discovery response.
    Garbage,
    /// Bytes that are no gRPC frame.
    Unframed,
    /// The first bytes of a message that claims to be huge, then the end.
    HangUpMidMessage,
    /// RST_STREAM.
    Reset,
    /// A gRPC status.
    End(u8, String),
}

/// A running control plane. Dropping it ends every connection.
#[derive(Debug)]
pub struct ControlPlane {
    world: Arc<World>,
    served: Mutex<Served>,
}

#[derive(Debug, Default)]
struct Served {
    workloads: Vec<(String, PathBuf)>,
    tasks: JoinSet<()>,
}

impl ControlPlane {
    /// Starts one, without sockets yet.
    pub fn start(mesh: Mesh) -> Self {
        let inner = Inner {
            mesh,
            edits: Vec::new(),
            misbehaviours: HashMap::new(),
            authority: Authority::new(),
            leaves: HashMap::new(),
            broken: HashMap::new(),
        };
        let world = World {
            inner: Mutex::new(inner),
            changes: watch::Sender::new(1),
            streams: AtomicU64::new(0),
            record: Record::new(),
        };
        Self { world: Arc::new(world), served: Mutex::default() }
    }

    /// Binds `etc/istio/proxy/XDS` and `var/run/secrets/workload-spiffe-uds/socket` in a workload's root folder. Must be
    /// called within a tokio runtime.
    pub fn serve(&self, workload: &str, root: &Path) {
        let mut served = self.served();
        self.bind(&mut served.tasks, workload, root);
        served.workloads.push((workload.to_owned(), root.to_owned()));
    }

    fn bind(&self, tasks: &mut JoinSet<()>, workload: &str, root: &Path) {
        for (path, secrets) in [(bootstrap::XDS_SOCKET, false), (bootstrap::SDS_SOCKET, true)] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("sockets are in folders")).expect("the root folder is ours");
            let (world, workload) = (self.world.clone(), workload.to_owned());
            let handler: grpc::Handler = Arc::new(move |call| {
                let (world, workload) = (world.clone(), workload.clone());
                if secrets {
                    Box::pin(sds::serve(world, workload, call))
                } else {
                    Box::pin(ads::serve(world, workload, call))
                }
            });
            tasks.spawn(grpc::serve(grpc::bind(&path), handler));
        }
    }

    /// Ends every connection and takes the sockets away, as if the agents had died.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut self.served().tasks);
        tasks.shutdown().await;
        for (_, root) in &self.served().workloads {
            let _ = std::fs::remove_file(root.join(bootstrap::XDS_SOCKET));
            let _ = std::fs::remove_file(root.join(bootstrap::SDS_SOCKET));
        }
    }

    /// Serves again after [`stop`](Self::stop).
    pub fn restart(&self) {
        let mut served = self.served();
        let workloads = served.workloads.clone();
        for (workload, root) in &workloads {
            self.bind(&mut served.tasks, workload, root);
        }
    }

    /// Changes the mesh, and pushes what that changes.
    pub fn change(&self, change: impl FnOnce(&mut Mesh)) {
        change(&mut self.world.lock().mesh);
        self.world.bump();
    }

    /// Edits what one workload is sent, from now on: put in, take out, or change resources after they are generated.
    pub fn edit(&self, workload: &str, edit: impl Fn(&mut ResourceSet) + Send + 'static) {
        self.world.lock().edits.push((workload.to_owned(), Box::new(edit)));
        self.world.bump();
    }

    /// Takes all edits back.
    pub fn clear_edits(&self) {
        self.world.lock().edits.clear();
        self.world.bump();
    }

    /// Ends the workload's ADS stream badly: the one that is open, or else the next one.
    pub fn misbehave(&self, workload: &str, misbehaviour: Misbehaviour) {
        self.world.lock().misbehaviours.entry(workload.to_owned()).or_default().push_back(misbehaviour);
        self.world.bump();
    }

    /// Gives every workload a new key and certificate.
    pub fn rotate_certificates(&self) {
        let mut inner = self.world.lock();
        inner.leaves.clear();
        inner.broken.clear();
        drop(inner);
        self.world.bump();
    }

    /// Adds a root, which is trusted beside the old ones; certificates stay until they are rotated.
    pub fn add_root(&self) {
        self.world.lock().authority.add_root();
        self.world.bump();
    }

    /// Trusts the newest root alone. Rotate certificates before.
    pub fn drop_old_roots(&self) {
        self.world.lock().authority.drop_old_roots();
        self.world.bump();
    }

    /// Sends one workload this in place of its certificate, until certificates are rotated.
    pub fn send_certificate(&self, workload: &str, leaf: Leaf) {
        self.world.lock().broken.insert(workload.to_owned(), leaf);
        self.world.bump();
    }

    /// A certificate of this mesh for any identity, and the roots to trust, for clients that tests play themselves.
    pub fn issue(&self, identity: &str) -> (Leaf, String) {
        let inner = self.world.lock();
        (inner.authority.issue(identity), inner.authority.roots())
    }

    /// A certificate of this mesh for another time.
    pub fn issue_for(&self, identity: &str, from: SystemTime, until: SystemTime) -> Leaf {
        self.world.lock().authority.issue_for(identity, from, until)
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.world.record.all()
    }

    /// Waits for a request, among those that came already too.
    pub async fn wait_for(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        self.world.record.wait_for(0, wanted).await
    }

    /// Waits for a request that comes after the first `from`, as [`seen`](Self::seen) counts them.
    pub async fn wait_for_after(&self, from: usize, wanted: impl Fn(&Seen) -> bool) -> Seen {
        self.world.record.wait_for(from, wanted).await
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().expect("nothing panics while it holds the sockets")
    }
}

/// What the streams share.
pub(crate) struct World {
    inner: Mutex<Inner>,
    /// The version of everything; each change is a push.
    changes: watch::Sender<u64>,
    streams: AtomicU64,
    record: Record,
}

struct Inner {
    mesh: Mesh,
    edits: Vec<(String, Edit)>,
    misbehaviours: HashMap<String, VecDeque<Misbehaviour>>,
    authority: Authority,
    /// Issued when first asked for.
    leaves: HashMap<String, Leaf>,
    /// Sent instead, by wish of a test.
    broken: HashMap<String, Leaf>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl World {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("edits of tests do not panic")
    }

    fn bump(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn version(&self) -> String {
        format!("embedded/{}", *self.changes.borrow())
    }

    fn next_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn next_misbehaviour(&self, workload: &str) -> Option<Misbehaviour> {
        self.lock().misbehaviours.get_mut(workload)?.pop_front()
    }

    fn record(&self, seen: Seen) {
        self.record.add(seen);
    }

    fn resources(&self, workload: &str) -> ResourceSet {
        let inner = self.lock();
        let mut set = ResourceSet::of(&inner.mesh, inner.mesh.find(workload));
        for (_, edit) in inner.edits.iter().filter(|(of, _)| of == workload) {
            edit(&mut set);
        }
        set
    }

    fn encode(&self, type_url: &str, body: &Body) -> Bytes {
        match body {
            Body::Raw(bytes) => bytes.clone(),
            Body::Json(json) => json::encode(type_url, json),
        }
    }

    fn secret(&self, workload: &str, name: &str) -> Option<Bytes> {
        let mut inner = self.lock();
        let secret = match name {
            "default" => {
                let identity = inner.mesh.identity(inner.mesh.find(workload));
                let leaf = match inner.broken.get(workload).or_else(|| inner.leaves.get(workload)) {
                    Some(leaf) => leaf.clone(),
                    None => inner.authority.issue(&identity),
                };
                if !inner.broken.contains_key(workload) {
                    inner.leaves.insert(workload.to_owned(), leaf.clone());
                }
                ca::certificate_secret(name, &leaf)
            }
            "ROOTCA" => ca::roots_secret(name, &inner.authority.roots()),
            _ => return None,
        };
        Some(secret.encode_to_vec().into())
    }
}

#[cfg(test)]
mod tests;
