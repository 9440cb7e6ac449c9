//! Tests of `files`, by what secrets and contexts make of them.

use std::path::PathBuf;

use config::secret::{SecretKind, TlsCertificate, WatchedDirectory};
use config::tls::{CommonTls, SecretSource, UpstreamTls, Validation};

use super::super::testing::*;
use super::super::{Asked, ClientContext, Secrets, ServerContext};
use super::*;
use crate::transport::{Io, Stream};

const CLIENT: &str = "spiffe://cluster.local/ns/a/sa/client";
const SERVER: &str = "spiffe://cluster.local/ns/a/sa/server";

/// A folder with certificates, and what uses them.
struct Place {
    folder: tempfile::TempDir,
    authority: Authority,
    secrets: Arc<Secrets>,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        Place { folder, authority: Authority::new("mesh"), secrets: Secrets::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As a careful writer does: beside, then moved over.
    fn put(&self, name: &str, text: &str) {
        let beside = self.path("beside");
        std::fs::write(&beside, text).expect("written");
        std::fs::rename(beside, self.path(name)).expect("moved");
    }

    fn put_pair(&self, leaf: &Leaf) {
        self.put("chain.pem", &leaf.chain);
        self.put("key.pem", &leaf.key);
    }

    fn pair(&self) -> TlsCertificate {
        TlsCertificate {
            chain: file(self.path("chain.pem")),
            key: file(self.path("key.pem")),
            password: None,
            staple: None,
        }
    }

    /// A change within a file counts at the second look that finds it.
    fn look_twice(&self) {
        self.secrets.look_at_files();
        self.secrets.look_at_files();
    }

    /// Serial number of the one certificate that is held with a key.
    fn serial(&self) -> Arc<str> {
        self.secrets.identity(&sds("default").id()).expect("a certificate").shown().serial
    }

    /// What becomes of a handshake, as both sides see it, and the server's serial number.
    async fn shake(&self, client: &ClientContext, server: &ServerContext) -> Result<String, String> {
        let (near, far) = tokio::io::duplex(1 << 16);
        let asked = Asked { alpn: None, sni: None, demanded: None };
        let (near, far) = tokio::join!(
            client.connect(Stream::new(Io::Memory(near)), asked),
            server.accept(Stream::new(Io::Memory(far)))
        );
        far.map_err(|failure| failure.reason.to_string())?;
        let (_, info) = near.map_err(|failure| failure.reason.to_string())?;
        Ok(format!("{:?}", info.peer.expect("the server has one").sha256))
    }
}

fn in_files(common: CommonTls, place: &Place) -> CommonTls {
    CommonTls { certificates: vec![SecretSource::Inline(Arc::new(place.pair()))], ..common }
}

#[test]
fn a_pair_is_taken_over_whole_or_not_at_all() {
    let place = Place::new();
    place.put_pair(&place.authority.issue(SERVER));
    place.secrets.update(&sds("default").id(), SecretKind::TlsCertificate(place.pair())).expect("good files");
    let (first, next) = (place.serial(), place.authority.issue(SERVER));
    place.look_twice();
    assert_eq!(place.serial(), first);
    place.put("chain.pem", &next.chain);
    place.look_twice();
    assert_eq!(place.serial(), first, "the key does not fit yet");
    place.put("key.pem", &next.key);
    place.secrets.look_at_files();
    assert_ne!(place.serial(), first, "what was moved there is whole");
}

#[test]
fn what_is_written_in_place_is_let_be_for_a_while() {
    let place = Place::new();
    place.put_pair(&place.authority.issue(SERVER));
    place.secrets.update(&sds("default").id(), SecretKind::TlsCertificate(place.pair())).expect("good files");
    let (first, next) = (place.serial(), place.authority.issue(SERVER));
    let write = |leaf: &Leaf, spaces: usize| {
        let padded = |text: &str| text.to_owned() + &"\n".repeat(spaces);
        std::fs::write(place.path("chain.pem"), padded(&leaf.chain)).expect("written");
        std::fs::write(place.path("key.pem"), padded(&leaf.key)).expect("written");
    };
    write(&next, 1);
    place.secrets.look_at_files();
    assert_eq!(place.serial(), first, "it may still be written");
    place.secrets.look_at_files();
    assert_ne!(place.serial(), first);
    // Who writes at each look is not waited for.
    let second = place.serial();
    let next = place.authority.issue(SERVER);
    for spaces in 1..=3 {
        assert_eq!(place.serial(), second, "before look {spaces}");
        write(&next, spaces);
        place.secrets.look_at_files();
    }
    assert_ne!(place.serial(), second);
}

#[test]
fn a_folder_is_swapped_by_its_link() {
    let place = Place::new();
    let (old, new) = (place.authority.issue(SERVER), place.authority.issue(SERVER));
    for (folder, leaf) in [("..1", &old), ("..2", &new)] {
        std::fs::create_dir(place.path(folder)).expect("made");
        place.put(&format!("{folder}/chain.pem"), &leaf.chain);
        place.put(&format!("{folder}/key.pem"), &leaf.key);
    }
    let link = |to: &str| {
        std::os::unix::fs::symlink(to, place.path("link")).expect("linked");
        std::fs::rename(place.path("link"), place.path("..data")).expect("moved");
    };
    link("..1");
    for name in ["chain.pem", "key.pem"] {
        std::os::unix::fs::symlink(format!("..data/{name}"), place.path(name)).expect("linked");
    }
    place.secrets.update(&sds("default").id(), SecretKind::TlsCertificate(place.pair())).expect("good files");
    let first = place.serial();
    link("..2");
    place.look_twice();
    assert_ne!(place.serial(), first);
}

#[test]
fn what_is_gone_or_no_good_leaves_the_former_also_to_those_who_come_later() {
    let place = Place::new();
    place.put_pair(&place.authority.issue(SERVER));
    place.secrets.update(&sds("default").id(), SecretKind::TlsCertificate(place.pair())).expect("good files");
    let first = place.serial();
    std::fs::write(place.path("chain.pem"), "half a certif").expect("written");
    place.look_twice();
    std::fs::remove_file(place.path("key.pem")).expect("removed");
    place.look_twice();
    assert_eq!(place.serial(), first);
    place.secrets.update(&sds("another").id(), SecretKind::TlsCertificate(place.pair())).expect("the former files");
    let next = place.authority.issue(SERVER);
    place.put_pair(&next);
    place.look_twice();
    assert!(place.secrets.certificates().iter().all(|facts| facts.serial != first));
}

#[test]
fn a_watched_directory_tells_when_the_files_are_read() {
    let place = Place::new();
    place.put_pair(&place.authority.issue(SERVER));
    let watched = place.path("watched");
    let source = |name: &str, modify: bool| {
        let watched = Some(WatchedDirectory { path: watched.clone(), modify });
        DataSource::File(FileSource { path: place.path(name), watched })
    };
    for modify in [false, true] {
        let pair = TlsCertificate {
            chain: source("chain.pem", modify),
            key: source("key.pem", modify),
            password: None,
            staple: None,
        };
        let default = sds("default").id();
        let _gone = std::fs::remove_dir_all(&watched);
        let reason =
            place.secrets.update(&default, SecretKind::TlsCertificate(pair.clone())).expect_err("no directory");
        assert!(reason.contains("watched_directory"), "{reason}");
        std::fs::create_dir(&watched).expect("made");
        place.secrets.update(&default, SecretKind::TlsCertificate(pair)).expect("good files");
        let first = place.serial();
        place.put_pair(&place.authority.issue(SERVER));
        place.look_twice();
        assert_eq!(place.serial() != first, modify);
        place.put("watched/done", "");
        place.look_twice();
        assert_ne!(place.serial(), first);
    }
}

/// Though nothing has moved in their directory; what is no good is as if it had not been looked at.
#[test]
fn files_are_read_when_something_names_them_anew() {
    let place = Place::new();
    place.put_pair(&place.authority.issue(SERVER));
    std::fs::create_dir(place.path("watched")).expect("made");
    let source = |name: &str| {
        let watched = Some(WatchedDirectory { path: place.path("watched"), modify: false });
        DataSource::File(FileSource { path: place.path(name), watched })
    };
    let pair = TlsCertificate { chain: source("chain.pem"), key: source("key.pem"), password: None, staple: None };
    let update = |name: &str| place.secrets.update(&sds(name).id(), SecretKind::TlsCertificate(pair.clone()));
    update("default").expect("good files");
    let first = place.serial();
    place.put("key.pem", &place.authority.issue(SERVER).key);
    update("default").expect("the key is that of another certificate: the former pair");
    place.look_twice();
    assert_eq!(place.serial(), first);
    place.put_pair(&place.authority.issue(SERVER));
    update("default").expect("good files");
    let second = place.serial();
    assert_ne!(second, first);
    // Who names them too hears of it.
    place.put_pair(&place.authority.issue(SERVER));
    update("other").expect("good files");
    assert_eq!(place.serial(), second);
    place.look_twice();
    assert_ne!(place.serial(), second);
    // But not of what is still being written.
    place.put_pair(&place.authority.issue(SERVER));
    update("other").expect("good files");
    place.put_pair(&place.authority.issue(SERVER));
    place.look_twice();
    update("third").expect("good files");
    let whole = place.secrets.identity(&sds("third").id()).expect("a certificate").shown().serial;
    assert_eq!(place.serial(), whole);
}

#[tokio::test]
async fn a_revocation_list_in_a_file_counts_when_it_comes() {
    let place = Place::new();
    let now = std::time::SystemTime::now();
    let hour = std::time::Duration::from_secs(3600);
    let client =
        place.authority.issue_with(CLIENT, now - hour, now + hour, |params| params.serial_number = Some(77.into()));
    place.put("crl.pem", &place.authority.revoke(78));
    let list = crl_file(place.path("crl.pem").to_str().expect("text"));
    place.secrets.update(&sds("ROOTCA").id(), secret(&[roots(&place.authority.root), list])).expect("good files");
    place.secrets.update(&sds("default").id(), client.secret()).expect("a good certificate");
    let server = ServerContext::new(&istio_server(&[]), &place.secrets, "server").expect("good");
    let client = ClientContext::new(&istio_client(&[], vec![]), &place.secrets, "client").expect("good");
    place.shake(&client, &server).await.expect("not revoked");
    place.put("crl.pem", &place.authority.revoke(77));
    place.look_twice();
    let reason = place.shake(&client, &server).await.expect_err("revoked");
    assert!(reason.to_lowercase().contains("revoked"), "{reason}");
    place.put("crl.pem", "");
    place.look_twice();
    place.shake(&client, &server).await.expect_err("still revoked: an empty file says nothing");
}

#[tokio::test]
async fn a_pair_that_does_not_fit_keeps_no_revocation_out_nor_the_other_way_round() {
    let place = Place::new();
    let now = std::time::SystemTime::now();
    let hour = std::time::Duration::from_secs(3600);
    let client =
        place.authority.issue_with(CLIENT, now - hour, now + hour, |params| params.serial_number = Some(77.into()));
    place.put_pair(&place.authority.issue(SERVER));
    place.put("roots.pem", &place.authority.root);
    place.put("crl.pem", &place.authority.revoke(78));
    place.secrets.update(&sds("ROOTCA").id(), place.authority.roots()).expect("good roots");
    place.secrets.update(&sds("default").id(), client.secret()).expect("a good certificate");
    let config = istio_server(&[]);
    let mut peers = config::secret::ValidationContext::clone(&context(&[]));
    peers.trusted_ca = Some(file(place.path("roots.pem")));
    peers.crl = Some(file(place.path("crl.pem")));
    let common = CommonTls { validation: Some(Validation::Inline(Arc::new(peers))), ..in_files(config.common, &place) };
    let server = config::tls::DownstreamTls { common, ..config };
    let server = ServerContext::new(&server, &place.secrets, "server").expect("good");
    let client = ClientContext::new(&istio_client(&[], vec![]), &place.secrets, "client").expect("good");
    let first = place.shake(&client, &server).await.expect("not revoked");

    // A list that is none keeps no certificate out.
    place.put("crl.pem", "no list at all");
    place.put_pair(&place.authority.issue(SERVER));
    place.secrets.look_at_files();
    let second = place.shake(&client, &server).await.expect("not revoked");
    assert_ne!(first, second);

    place.put("chain.pem", &place.authority.issue(SERVER).chain);
    place.secrets.look_at_files();
    assert_eq!(place.shake(&client, &server).await.expect("the former pair"), second);
    place.put("crl.pem", &place.authority.revoke(77));
    place.secrets.look_at_files();
    let reason = place.shake(&client, &server).await.expect_err("revoked");
    assert!(reason.to_lowercase().contains("revoked"), "{reason}");
}

#[tokio::test]
async fn contexts_with_files_of_their_own_follow_them() {
    let place = Place::new();
    place.put_pair(&place.authority.issue(SERVER));
    place.put("roots.pem", &place.authority.root);
    place.secrets.update(&sds("ROOTCA").id(), place.authority.roots()).expect("good roots");
    place.secrets.update(&sds("default").id(), place.authority.issue(CLIENT).secret()).expect("a good certificate");
    let server = istio_server(&[]);
    let server = config::tls::DownstreamTls { common: in_files(server.common, &place), ..server };
    let server = ServerContext::new(&server, &place.secrets, "server").expect("good");
    let config = istio_client(&[], vec![]);
    let mut context = config::secret::ValidationContext::clone(&context(&[exact(SERVER)]));
    context.trusted_ca = Some(file(place.path("roots.pem")));
    let common = CommonTls { validation: Some(Validation::Inline(Arc::new(context))), ..config.common };
    let client = ClientContext::new(&UpstreamTls { common, ..config }, &place.secrets, "client").expect("good");
    assert!(client.has_files());
    let first = place.shake(&client, &server).await.expect("both are good");
    place.put_pair(&place.authority.issue(SERVER));
    place.look_twice();
    let second = place.shake(&client, &server).await.expect("both are good");
    assert_ne!(first, second);
    place.put("roots.pem", &Authority::new("other").root);
    place.look_twice();
    place.shake(&client, &server).await.expect_err("it trusts another authority now");
    place.put("roots.pem", "no root at all");
    place.look_twice();
    place.put("roots.pem", &place.authority.root);
    place.look_twice();
    place.shake(&client, &server).await.expect("trusted again");
}

#[test]
fn nothing_is_looked_at_for_nobody() {
    let place = Place::new();
    place.put_pair(&place.authority.issue(SERVER));
    assert!(!place.secrets.has_files());
    place.secrets.update(&sds("default").id(), SecretKind::TlsCertificate(place.pair())).expect("good files");
    assert!(place.secrets.has_files());
    place.secrets.forget(|_| false);
    place.secrets.look_at_files();
    assert!(!place.secrets.has_files());
}
