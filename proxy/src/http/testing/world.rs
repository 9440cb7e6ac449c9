//! The worker of a test: real clusters over the scripted [`Network`]. Made by `Bench`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::fake::{self, Network, Shape};
use crate::call::Calls;
use crate::cluster::published::{ClusterTable, Published};
use crate::cluster::{Cluster, WorkerClusters};
use crate::discoveries::Discoveries;
use crate::drain::ServerDrain;
use crate::logs::WorkerLogs;
use crate::stats::Stats;
use crate::tls::Secrets;
use crate::worker::{ConnectionIds, Worker};

/// A worker and its clusters.
pub struct World {
    pub worker: Rc<Worker>,
    network: Rc<Network>,
    secrets: Arc<Secrets>,
    discoveries: Rc<Discoveries>,
    known: RefCell<HashMap<String, (Shape, Arc<Cluster>)>>,
}

impl World {
    pub fn new(
        clusters: &HashMap<String, Rc<fake::Cluster>>,
        calls: Option<&Calls>,
        stats: &Arc<Stats>,
        discoveries: Rc<Discoveries>,
    ) -> World {
        let network = Rc::new(Network { clusters: clusters.clone() });
        let published = Arc::new(Published::default());
        let clusters = Rc::new(WorkerClusters::over(0, network.clone()));
        let own = || Calls::new(clusters.clone(), published.clone(), stats, None);
        let worker = Rc::new(Worker {
            index: 0,
            calls: calls.cloned().unwrap_or_else(own),
            published,
            clusters,
            logs: WorkerLogs::new(0),
            drain: ServerDrain::new(Default::default()),
            stats: stats.clone(),
            connections: ConnectionIds::new(0, 1),
        });
        let world = World { worker, network, secrets: Secrets::new(), discoveries, known: RefCell::default() };
        world.publish();
        world
    }

    pub fn is_of(&self, stats: &Arc<Stats>) -> bool {
        Arc::ptr_eq(&self.worker.stats, stats)
    }

    /// Makes clusters what the test wants them to be by now.
    pub fn publish(&self) {
        let mut known = self.known.borrow_mut();
        let mut changed = false;
        for (name, fake) in &self.network.clusters {
            let shape = fake.shape();
            match known.get_mut(name) {
                Some((before, _)) if *before == shape => {}
                Some((before, cluster)) if before.is_like(&shape) => {
                    cluster.assign(&shape.assignment());
                    *before = shape;
                }
                _ => {
                    let config = Arc::new(fake.configured(&shape));
                    let made = Cluster::new(config, &self.secrets, &self.worker.stats).expect("a good cluster");
                    crate::http::attach_filters(&made, &self.secrets, &self.worker.stats, &self.discoveries)
                        .expect("good filters");
                    known.insert(name.clone(), (shape, made));
                    changed = true;
                }
            }
        }
        if changed {
            let table: ClusterTable =
                known.iter().map(|(name, (_, cluster))| (Arc::from(name.as_str()), cluster.clone())).collect();
            self.worker.published.clusters.store(Arc::new(table));
        }
    }

    /// Lets what is on its way arrive; what never will is not waited for.
    pub async fn settle(&self) {
        for _ in 0..100 {
            if self.network.clusters.values().all(|cluster| cluster.is_idle()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// A request is over: a script that only says that there is no host is, too, if another one follows. Nobody may have been surprised.
    pub fn end(&self) {
        for (name, cluster) in &self.network.clusters {
            let mut scripts = cluster.scripts.borrow_mut();
            if scripts.len() > 1 && scripts.front().is_some_and(|script| script.no_host.is_some()) {
                scripts.pop_front();
            }
            assert_eq!(cluster.surprises.get(), 0, "{name}: attempts that the test did not expect");
        }
    }
}
