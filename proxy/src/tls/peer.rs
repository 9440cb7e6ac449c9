//! From a finished handshake to [`TlsInfo`]. A peer's certificate is taken apart once and shared by the connections that present it.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use config::tls::SanKind;
use rustls::pki_types::CertificateDer;
use rustls::{CommonState, HandshakeKind};

use super::certificate::{Facts, hex};
use super::info::{PeerCertificate, TlsInfo};
use super::material::Identity;
use super::x509::Certificate;
use super::{sha256, suites};

/// Peers remembered per thread, and the largest chain that is (octets): together the bound of what strangers can make us keep.
const REMEMBERED: usize = 128;
const LARGEST_REMEMBERED: usize = 16 * 1024;

thread_local! {
    static PEERS: RefCell<HashMap<[u8; 32], Rc<PeerCertificate>>> = RefCell::default();
}

/// What a context's own certificate is, for logs and XFCC.
#[derive(Default)]
pub(super) struct Own {
    leaf: Option<Bytes>,
    uri_sans: Arc<[Arc<str>]>,
}

impl Own {
    /// The first of a context's.
    pub fn of(identities: &[Arc<Identity>]) -> Own {
        let Some(identity) = identities.first() else { return Own::default() };
        let leaf = identity.key.cert.first().map(|der| Bytes::copy_from_slice(der));
        Own { leaf, uri_sans: identity.uri_sans.clone() }
    }
}

/// The facts of a connection, the server name left out.
pub(super) fn describe(connection: &CommonState, own: &Own) -> TlsInfo {
    TlsInfo {
        server_name: None,
        alpn: connection.alpn_protocol().map(Bytes::copy_from_slice),
        version: suites::version(connection.protocol_version()),
        cipher: connection.negotiated_cipher_suite().map_or("", |suite| suites::name(suite.suite())),
        suite: connection.negotiated_cipher_suite().map_or(0, |suite| suite.suite().into()),
        group: connection.negotiated_key_exchange_group().map_or("", |group| suites::group_name(group.name())),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        peer: connection.peer_certificates().and_then(peer),
        validated: false,
        local: own.leaf.clone(),
        local_uri_sans: own.uri_sans.clone(),
        local_subject: OnceCell::new(),
    }
}

fn peer(chain: &[CertificateDer<'_>]) -> Option<Rc<PeerCertificate>> {
    let leaf = chain.first()?;
    let hash = sha256(leaf);
    let known = PEERS.with_borrow(|peers| peers.get(&hash).cloned());
    if let Some(known) = known
        .filter(|known| known.chain.len() == chain.len() && known.chain.iter().zip(chain).all(|(a, b)| a == b.as_ref()))
    {
        return Some(known);
    }
    let facts = Certificate::from_der(leaf).map(|leaf| Facts::of(&leaf));
    let of_kind = |kind| facts.as_ref().map(|facts| facts.of_kind(kind).cloned().collect()).unwrap_or_default();
    let peer = Rc::new(PeerCertificate {
        uri_sans: of_kind(SanKind::Uri),
        dns_sans: of_kind(SanKind::Dns),
        subject: facts.as_ref().map(|facts| facts.subject.clone()).unwrap_or_default(),
        sha256: hex(&hash),
        chain: chain.iter().map(|der| Bytes::copy_from_slice(der)).collect(),
    });
    if chain.iter().map(|der| der.len()).sum::<usize>() <= LARGEST_REMEMBERED {
        PEERS.with_borrow_mut(|peers| {
            if peers.len() >= REMEMBERED {
                peers.clear();
            }
            peers.insert(hash, peer.clone());
        });
    }
    Some(peer)
}
