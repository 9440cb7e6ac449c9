//! Workloads that the control plane tells of, by address: who a peer is that does not say so itself. Published by the control thread for
//! the whole process, asked by filters and exchanges of metadata where configuration lets them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use config::workload::Workload;

use super::Peer;

type ByAddress = HashMap<IpAddr, Arc<Workload>>;

/// A reading that is late by one change tells of a workload that was there a moment ago.
static KNOWN: LazyLock<ArcSwap<ByAddress>> = LazyLock::new(ArcSwap::default);

/// Peers that a worker keeps.
const MOST: usize = 500;

/// A workload, and the peer made of it.
type Made = (Arc<Workload>, Rc<Peer>);

thread_local! {
    static PEERS: RefCell<HashMap<IpAddr, Made>> = RefCell::default();
}

/// The workload at an address.
pub fn workload(address: IpAddr) -> Option<Arc<Workload>> {
    KNOWN.load().get(&address.to_canonical()).cloned()
}

/// The same as a peer: it is one as long as it says the same.
pub fn peer(address: IpAddr) -> Option<Rc<Peer>> {
    let found = workload(address)?;
    PEERS.with_borrow_mut(|peers| {
        if let Some((known, peer)) = peers.get(&address)
            && Arc::ptr_eq(known, &found)
        {
            return Some(peer.clone());
        }
        if peers.len() >= MOST {
            peers.clear();
        }
        let peer = Peer::new((*found).clone());
        peers.insert(address, (found, peer.clone()));
        Some(peer)
    })
}

/// Changes what is known: workloads that are gone from their addresses, unless others have taken these since, and workloads at theirs. Gives how many addresses are known then. On the control
/// thread.
pub fn change(gone: &[(Arc<Workload>, Vec<IpAddr>)], come: &[(IpAddr, Arc<Workload>)]) -> usize {
    let mut count = 0;
    KNOWN.rcu(|before| {
        let mut all = ByAddress::clone(before);
        for (owner, address) in gone.iter().flat_map(|(owner, all)| all.iter().map(move |address| (owner, address))) {
            let address = address.to_canonical();
            if all.get(&address).is_some_and(|known| Arc::ptr_eq(known, owner)) {
                all.remove(&address);
            }
        }
        all.extend(come.iter().map(|(address, workload)| (address.to_canonical(), workload.clone())));
        count = all.len();
        all
    });
    count
}
