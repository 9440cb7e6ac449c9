//! Who is at the other end of a request or connection, as it has told itself: read once, and shared by all requests that say the same.
//! Made by the filters that exchange metadata, asked by statistics, logs, expressions and policies.
//!
//! What a peer says is a stranger's. What is kept is bounded, for each worker.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use config::workload::Workload;

use super::dynamic::{Form, Shared, StateObject};

pub mod discovered;
mod known;

pub use known::{Known, of_endpoint, of_header};

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Downstream,
    /// The server.
    Upstream,
}

impl Side {
    /// Both.
    pub const ALL: [Side; 2] = [Side::Downstream, Side::Upstream];

    /// The keys of its objects: the message, and the one that has fields.
    const fn keys(self) -> [&'static str; 2] {
        match self {
            Side::Downstream => ["downstream_peer", "downstream_peer_obj"],
            Side::Upstream => ["upstream_peer", "upstream_peer_obj"],
        }
    }
}

/// A peer.
#[derive(Debug)]
pub struct Peer {
    /// Of this one alone, in the process.
    pub number: u64,
    said: Said,
    /// As filter state has it, by side. Made when it is asked for.
    objects: [OnceCell<Box<[StateObject; 2]>>; 2],
}

/// What it has said.
#[derive(Debug)]
enum Said {
    /// This.
    Told(Box<Workload>),
    /// It says so at the beginning of its connection, or not. Streams change threads, and so does who hears.
    Exchanged(Arc<OnceLock<Option<Workload>>>),
}

/// Hears what a peer says at the beginning of its connection.
#[derive(Debug)]
pub struct Heard(Arc<OnceLock<Option<Workload>>>);

impl Peer {
    /// Of a workload.
    pub fn new(workload: Workload) -> Rc<Peer> {
        Peer::who(Said::Told(Box::new(workload)))
    }

    /// One that will say who it is.
    pub fn begin() -> (Rc<Peer>, Heard) {
        let heard = Arc::new(OnceLock::new());
        (Peer::who(Said::Exchanged(heard.clone())), Heard(heard))
    }

    /// One that will not.
    pub fn nobody() -> Rc<Peer> {
        let (peer, heard) = Peer::begin();
        heard.nobody();
        peer
    }

    fn who(said: Said) -> Rc<Peer> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Rc::new(Peer { number: NEXT.fetch_add(1, Relaxed), said, objects: Default::default() })
    }

    /// It is known who it is, or that it does not say.
    pub fn is_settled(&self) -> bool {
        match &self.said {
            Said::Told(_) => true,
            Said::Exchanged(heard) => heard.get().is_some(),
        }
    }

    /// It is known who it is.
    pub fn is_known(&self) -> bool {
        match &self.said {
            Said::Told(_) => true,
            Said::Exchanged(heard) => heard.get().is_some_and(Option::is_some),
        }
    }

    /// What it is; nothing is known of one that has not said so.
    pub fn workload(&self) -> &Workload {
        static NOTHING: LazyLock<Workload> = LazyLock::new(Workload::default);
        match &self.said {
            Said::Told(workload) => workload,
            Said::Exchanged(heard) => heard.get().and_then(Option::as_ref).unwrap_or(&NOTHING),
        }
    }

    /// The object of filter state that has this key, if it is one of its own.
    pub fn object(&self, side: Side, key: &str) -> Option<&StateObject> {
        let which = side.keys().iter().position(|own| *own == key)?;
        Some(&self.objects[side as usize].get_or_init(|| Box::new(self.made(side)))[which])
    }

    fn made(&self, side: Side) -> [StateObject; 2] {
        let (workload, json) = (self.workload(), Rc::new(self.workload().json()));
        let object = |key: &str, value: Vec<u8>, form: Form| StateObject {
            key: key.into(),
            value: Bytes::from(value),
            form,
            read_only: false,
            shared: Shared::None,
        };
        let [message, fields] = side.keys();
        [
            object(message, workload.message(), Form::Message(json.clone())),
            object(fields, workload.text().into_bytes(), Form::Fields(json)),
        ]
    }
}

impl Heard {
    /// It was this one.
    pub fn peer(&self, workload: Workload) {
        // It is heard once: whoever takes a frame off a stream is done.
        let _ = self.0.set(Some(workload));
    }

    /// Nobody has said anything.
    pub fn nobody(&self) {
        let _ = self.0.set(None);
    }
}

#[cfg(test)]
mod tests;
