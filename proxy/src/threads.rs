//! The worker threads: started by `app`, told by the control thread's [`Command`]s what to accept on.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::call::Calls;
use crate::cluster::WorkerClusters;
use crate::cluster::published::Published;
use crate::drain::ServerDrain;
use crate::export;
use crate::http;
use crate::listener::Listener;
use crate::listener::accept::{self, Slot};
use crate::listener::bind::Socket;
use crate::logs::{Sinks, WorkerLogs};
use crate::stats::Stats;
use crate::worker::{ConnectionIds, Worker};

/// What the control thread asks of a worker. `id` is the control thread's name for the sockets of one address.
pub enum Command {
    /// Accept on this socket.
    Listen {
        /// Name of the socket.
        id: u64,
        /// What new connections get.
        listener: Arc<Listener>,
        /// The socket.
        socket: Socket,
        /// Dropped when the socket is closed.
        open: Arc<()>,
    },
    /// New connections on this socket, and those that were held back, get another version.
    Replace {
        /// Name of the socket.
        id: u64,
        /// What new connections get.
        listener: Arc<Listener>,
    },
    /// Let connections wait in the queue until a version comes.
    Hold {
        /// Name of the socket.
        id: u64,
    },
    /// Take what the queue holds, then close.
    Stop {
        /// Name of the socket.
        id: u64,
    },
    /// Route tables have changed: let go of those that were replaced.
    LetGo,
    /// Close everything, log what was under way, and end.
    End,
}

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// Published state.
    pub published: Arc<Published>,
    /// Drains of the process.
    pub drain: Arc<ServerDrain>,
    /// Stats registry.
    pub stats: Arc<Stats>,
    /// Access log files.
    pub sinks: Arc<Sinks>,
    /// This host's address, which called services are told.
    pub address: Option<IpAddr>,
}

/// Handles to all workers.
pub struct Workers {
    senders: Vec<mpsc::UnboundedSender<Command>>,
    /// Disconnected once the last thread has ended. Only the control thread looks.
    running: Mutex<std::sync::mpsc::Receiver<Infallible>>,
}

impl Workers {
    /// Starts `count` threads.
    pub fn start(count: usize, shared: &Shared) -> io::Result<Arc<Workers>> {
        let mut senders = Vec::with_capacity(count);
        let (runs, running) = std::sync::mpsc::channel();
        for index in 0..count {
            let (sender, commands) = mpsc::unbounded_channel();
            let (shared, runs) = (shared.clone(), runs.clone());
            std::thread::Builder::new().name(format!("wrk:worker_{index}")).spawn(move || {
                run_thread(index, count, shared, commands);
                drop(runs);
            })?;
            senders.push(sender);
        }
        Ok(Arc::new(Workers { senders, running: Mutex::new(running) }))
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.senders.len()
    }

    /// Ends every worker: open connections are closed, and each request and connection that was under way is logged. Waits at most
    /// `limit`; tells whether all have ended.
    pub fn end(&self, limit: Duration) -> bool {
        self.send_all(|| Command::End);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(running.recv_timeout(limit), Err(RecvTimeoutError::Disconnected))
    }

    /// Sends a command to each, in order.
    pub fn send_all(&self, mut command: impl FnMut() -> Command) {
        self.send_each(|| Some(command()));
    }

    /// Sends each its own command, in order; a worker may get none.
    pub fn send_each(&self, mut command: impl FnMut() -> Option<Command>) {
        for sender in &self.senders {
            if let Some(command) = command() {
                // A worker that has ended has nothing to do any more.
                let _ = sender.send(command);
            }
        }
    }
}

fn run_thread(index: usize, count: usize, shared: Shared, commands: mpsc::UnboundedReceiver<Command>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(target: "main", "worker {index} cannot start: {error}");
            std::process::exit(1);
        }
    };
    shared.stats.register_shard();
    let parts = shared.clone();
    let calls = move |clusters| Calls::new(clusters, parts.published, &parts.stats, parts.address);
    let local = tokio::task::LocalSet::new();
    let serving_calls = calls.clone();
    local.block_on(&runtime, async move {
        let clusters = Rc::new(WorkerClusters::new(index));
        let calls = serving_calls(clusters.clone());
        let worker = Rc::new(Worker {
            index,
            logs: WorkerLogs::new(index).over(calls.clone()),
            calls,
            published: shared.published,
            clusters,
            drain: shared.drain,
            stats: shared.stats,
            connections: ConnectionIds::new(index, count),
        });
        let caretaker = worker.clone();
        tokio::task::spawn_local(async move { caretaker.clusters.maintain(&caretaker.published).await });
        obey(worker, commands).await;
    });
    // What was under way is logged when it is dropped, and with it go the connections that it would have been sent over.
    export::hold();
    drop(local);
    let calls = || calls(Rc::new(WorkerClusters::new(index)));
    tokio::task::LocalSet::new().block_on(&runtime, async { export::send_rest(&calls(), REST).await });
}

/// What is left for log services and collectors has as long, of the time that the end of the process gives its workers.
const REST: Duration = Duration::from_millis(400);

async fn obey(worker: Rc<Worker>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut slots: HashMap<u64, Rc<Slot>> = HashMap::new();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Listen { id, listener, socket, open } => {
                let slot = Rc::new(Slot::new(listener));
                tokio::task::spawn_local(accept::accept_loop(worker.clone(), slot.clone(), socket, open));
                slots.insert(id, slot);
            }
            Command::Replace { id, listener } => {
                if let Some(slot) = slots.get(&id) {
                    slot.replace(listener);
                }
            }
            Command::Hold { id } => {
                if let Some(slot) = slots.get(&id) {
                    slot.hold();
                }
            }
            Command::Stop { id } => {
                if let Some(slot) = slots.remove(&id) {
                    slot.stop();
                }
            }
            Command::LetGo => http::let_go(),
            // What the worker does stands in tasks, and they are dropped with its runtime.
            Command::End => return,
        }
    }
}

#[cfg(test)]
mod tests;
