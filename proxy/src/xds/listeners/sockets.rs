//! The sockets of all listeners: one table says which address is whose. A listener takes over what it finds there, opens what is
//! missing beside it, and lets go of the rest; only an address that nothing of ours holds is probed for strangers.
//!
//! [`super::Listeners`] asks for a plan when a listener arrives, begins with it when the listener is warm, and then has swept up.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use config::address::Address;
use config::{At, Rejection};

use super::Listeners;
use super::retry::Refusal;
use crate::listener::Listener;
use crate::listener::bind::{self, BindFailure, Bound, Neighbours, Settings, Socket};
use crate::threads::{Command, Workers};

/// The table. Numbers are the workers' names for sockets.
pub(super) struct Sockets {
    workers: Arc<Workers>,
    table: BTreeMap<u64, Entry>,
    next: u64,
}

/// The sockets of one address, one for each worker.
struct Entry {
    address: Address,
    settings: Settings,
    /// With the port that the system chose.
    found: Option<SocketAddr>,
    state: State,
    /// Shared with the workers, each of which gives it back when its socket is closed.
    open: Arc<()>,
}

enum State {
    /// For a listener that warms. Nobody can connect yet.
    Bound(Bound),
    Accepting,
    /// Its listener is gone, and one that warms will take it over: clients wait in the queue.
    Held,
    /// The workers close it in their own time.
    Closing,
}

/// Whose sockets are whose when a listener makes its plan.
pub(super) struct Owners {
    /// Those of its own versions.
    pub own: HashSet<u64>,
    /// Those of other listeners, with their names.
    pub others: HashMap<u64, Arc<str>>,
}

impl Sockets {
    pub fn new(workers: Arc<Workers>) -> Sockets {
        Sockets { workers, table: BTreeMap::new(), next: 0 }
    }

    /// The sockets for a listener, those that are missing bound.
    pub fn plan(&mut self, listener: &Listener, owners: &Owners) -> Result<Vec<u64>, Refusal> {
        let config = listener.config();
        let mut planned = Vec::new();
        let mut fresh = Vec::new();
        for (address, settings) in bind::places(config) {
            let id = match self.find(&config.name, &address, &settings, owners, &planned) {
                Ok(Some(id)) => id,
                Ok(None) => match self.open(address, &settings) {
                    Ok(id) => {
                        fresh.push(id);
                        id
                    }
                    Err(failure) => {
                        fresh.iter().for_each(|id| drop(self.table.remove(id)));
                        return Err(Refusal::taken(At::root().field("address").reject(failure.to_string())));
                    }
                },
                Err(refusal) => {
                    fresh.iter().for_each(|id| drop(self.table.remove(id)));
                    return Err(refusal);
                }
            };
            planned.push(id);
        }
        Ok(planned)
    }

    /// Sockets of this address that the listener may have as they are. `None`: new ones are to be opened.
    fn find(
        &self,
        name: &str,
        address: &Address,
        settings: &Settings,
        owners: &Owners,
        planned: &[u64],
    ) -> Result<Option<u64>, Refusal> {
        let mut changed = None;
        for (id, entry) in &self.table {
            let is_own = owners.own.contains(id);
            let is_same = entry.address == *address && (is_own || !bind::has_port_of_its_own(address));
            if !is_same || planned.contains(id) || matches!(entry.state, State::Closing) {
                continue;
            }
            if let Some(other) = owners.others.get(id) {
                return Err(Refusal::ours(bind::duplicate_of(name, address, other)));
            }
            if entry.settings == *settings || matches!(address, Address::Pipe(_)) {
                return Ok(Some(*id));
            }
            changed = Some(&entry.settings);
        }
        match changed {
            Some(before) if !(before.reuse_port && settings.reuse_port) => Err(cannot_change().into()),
            _ => Ok(None),
        }
    }

    fn open(&mut self, address: Address, settings: &Settings) -> Result<u64, BindFailure> {
        let beside =
            self.table.values().any(|entry| bind::overlap((&entry.address, &entry.settings), (&address, settings)));
        let neighbours = if beside { Neighbours::Ours } else { Neighbours::None };
        let bound = bind::open(&address, settings, self.workers.count(), neighbours)?;
        let id = self.next;
        self.next += 1;
        let found = bound.address();
        let (settings, open) = (settings.clone(), Arc::new(()));
        self.table.insert(id, Entry { address, settings, found, state: State::Bound(bound), open });
        Ok(id)
    }

    /// Where these are bound.
    pub fn addresses(&self, ids: &[u64]) -> Vec<SocketAddr> {
        ids.iter().filter_map(|id| self.table.get(id)?.found).collect()
    }

    /// Workers accept on all of a plan and give connections to this version.
    ///
    /// # Errors
    /// An address was taken since it was bound; none of the new sockets is used then.
    pub fn begin(&mut self, plan: &[u64], listener: &Arc<Listener>) -> Result<(), BindFailure> {
        let mut fresh: Vec<(u64, Vec<Socket>)> = Vec::new();
        for id in plan {
            let Some(entry) = self.table.get_mut(id) else { continue };
            match std::mem::replace(&mut entry.state, State::Accepting) {
                State::Bound(bound) => match bound.listen() {
                    Ok(sockets) => fresh.push((*id, sockets)),
                    Err(failure) => {
                        self.table.remove(id);
                        fresh.iter().for_each(|(id, _)| drop(self.table.remove(id)));
                        return Err(failure);
                    }
                },
                State::Accepting | State::Held | State::Closing => {}
            }
        }
        for id in plan {
            match fresh.iter_mut().find(|(new, _)| new == id) {
                Some((_, sockets)) => self.listen(*id, listener, std::mem::take(sockets)),
                None => self.workers.send_all(|| Command::Replace { id: *id, listener: listener.clone() }),
            }
        }
        Ok(())
    }

    fn listen(&self, id: u64, listener: &Arc<Listener>, sockets: Vec<Socket>) {
        let Some(entry) = self.table.get(&id) else { return };
        let mut sockets = sockets.into_iter();
        self.workers.send_each(|| {
            let socket = sockets.next()?;
            Some(Command::Listen { id, listener: listener.clone(), socket, open: entry.open.clone() })
        });
    }

    /// Lets go of everything that is neither `used` by a listener that serves nor `wanted` by one that warms.
    pub fn sweep(&mut self, used: &HashSet<u64>, wanted: &HashSet<u64>) {
        let workers = &self.workers;
        self.table.retain(|id, entry| {
            let (is_used, is_wanted) = (used.contains(id), wanted.contains(id));
            match &entry.state {
                State::Bound(_) => return is_wanted,
                State::Accepting if !is_used && is_wanted => {
                    workers.send_all(|| Command::Hold { id: *id });
                    entry.state = State::Held;
                }
                State::Accepting | State::Held if !is_used && !is_wanted => {
                    workers.send_all(|| Command::Stop { id: *id });
                    entry.state = State::Closing;
                }
                State::Closing => return Arc::strong_count(&entry.open) > 1,
                State::Accepting | State::Held => {}
            }
            true
        });
    }
}

/// As in Envoy.
fn cannot_change() -> Rejection {
    At::root().field("enable_reuse_port").reject(
        "cannot be changed while the listener has the address, and without it no socket option can: give the listener another address, or remove it and add it again",
    )
}

impl Listeners {
    /// Whose sockets are whose, as this listener sees it.
    pub(super) fn owners(&self, name: &Arc<str>) -> Owners {
        let active = self.held.all_active().map(|(name, active)| (name, &active.sockets));
        let warming = self.held.all_warming().map(|(name, warming)| (name, &warming.sockets));
        let mut owners = Owners { own: HashSet::new(), others: HashMap::new() };
        for (owner, sockets) in active.chain(warming) {
            for id in sockets {
                if owner == name {
                    owners.own.insert(*id);
                } else {
                    owners.others.insert(*id, owner.clone());
                }
            }
        }
        owners
    }
}
