//! The peers that a worker has heard of, by what they say. Called by this folder's front.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use config::workload::{self, NotTold};

use super::Peer;

/// Peers that are remembered. As many as Istio's own proxies remember.
const MOST: usize = 500;
/// Octets of what they said: strangers may say more than peers do.
const MOST_OCTETS: usize = 512 * 1024;

/// What a peer was heard to say.
#[derive(Debug, Clone)]
pub struct Known {
    /// Who it is.
    pub peer: Rc<Peer>,
    /// It said more than is kept, and said it for the first time.
    pub cut: bool,
}

/// Those of one list of labels that are kept.
struct List {
    labels: Arc<[Arc<str>]>,
    peers: HashMap<Box<[u8]>, Rc<Peer>, foldhash::fast::RandomState>,
    octets: usize,
}

thread_local! {
    /// Few configurations ask for labels, and all that do for the same.
    static KNOWN: RefCell<Vec<List>> = const { RefCell::new(Vec::new()) };
}
/// Lists of labels that are told apart at a time.
const LISTS: usize = 8;

/// The peer that sends this header. What was said before is not read again.
///
/// # Errors
/// It is none that a proxy sends.
pub fn of_header(value: &[u8], labels: &Arc<[Arc<str>]>) -> Result<Known, NotTold> {
    KNOWN.with_borrow_mut(|all| {
        let known = List::with(all, labels);
        if let Some(peer) = known.peers.get(value) {
            return Ok(Known { peer: peer.clone(), cut: false });
        }
        let told = workload::of_header(value, labels)?;
        let peer = Peer::new(told.workload);
        known.remember(value, &peer);
        Ok(Known { peer, cut: told.cut })
    })
}

/// The peer that an endpoint is labelled with, `name;namespace;service;revision;cluster`. `None`: that is no such label.
pub fn of_endpoint(label: &str) -> Option<Rc<Peer>> {
    thread_local! {
        static ENDPOINTS: RefCell<HashMap<Box<str>, Rc<Peer>, foldhash::fast::RandomState>> = RefCell::default();
    }
    ENDPOINTS.with_borrow_mut(|known| {
        if let Some(peer) = known.get(label) {
            return Some(peer.clone());
        }
        let peer = Peer::new(workload::Workload::of_endpoint(label)?);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(label.into(), peer.clone());
        Some(peer)
    })
}

impl List {
    fn with<'a>(all: &'a mut Vec<List>, labels: &Arc<[Arc<str>]>) -> &'a mut List {
        let found = all.iter().position(|known| known.labels == *labels);
        let index = found.unwrap_or_else(|| {
            if all.len() == LISTS {
                all.remove(0);
            }
            all.push(List { labels: labels.clone(), peers: HashMap::default(), octets: 0 });
            all.len() - 1
        });
        &mut all[index]
    }

    fn remember(&mut self, value: &[u8], peer: &Rc<Peer>) {
        if self.peers.len() >= MOST || self.octets + value.len() > MOST_OCTETS {
            // A quarter goes, whichever it is: in the order of their hashes, which nobody outside knows.
            let mut going = self.peers.len().div_ceil(4);
            self.peers.retain(|_, _| {
                let stays = going == 0;
                going = going.saturating_sub(1);
                stays
            });
            self.octets = self.peers.keys().map(|value| value.len()).sum();
        }
        self.octets += value.len();
        self.peers.insert(value.into(), peer.clone());
    }
}

#[cfg(test)]
pub(super) mod testing;
