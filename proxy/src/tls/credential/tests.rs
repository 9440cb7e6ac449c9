//! Tests of `credential`.

use std::sync::Arc;

use bytes::Bytes;
use config::secret::{DataSource, FileSource, GenericSecret, SecretKind};
use config::tls::{SdsName, SdsSource};

use crate::tls::Secrets;
use crate::tls::testing::sds;

fn generic(secret: &'static str) -> SecretKind {
    let secret = Some(DataSource::Inline(Bytes::from_static(secret.as_bytes())));
    SecretKind::Generic(GenericSecret { secret, ..GenericSecret::default() })
}

fn prefix(prefix: &str) -> Arc<str> {
    Arc::from(prefix)
}

#[test]
fn a_credential_follows_its_secret() {
    let secrets = Secrets::new();
    let plain = secrets.credential(&sds("token"), &prefix("")).expect("it may come later");
    let bearer = secrets.credential(&sds("token"), &prefix("Bearer ")).expect("it may come later");
    assert_eq!((plain.value(), bearer.value()), (None, None));
    for (version, value) in
        [("one", Some("one")), ("two\r\n\n", Some("two")), ("", None), ("\n", None), ("t\th", Some("t\th"))]
    {
        secrets.update(&sds("token").id(), generic(version)).expect("a good secret");
        assert_eq!(plain.value().as_deref(), value.map(str::as_bytes), "{version:?}");
        assert_eq!(bearer.value(), value.map(|value| format!("Bearer {value}").into()), "{version:?}");
    }
    secrets.update(&sds("another").id(), generic("three")).expect("a good secret");
    assert_eq!(plain.value().as_deref(), Some(&b"t\th"[..]), "another secret is another's");
}

#[test]
fn what_no_header_can_carry_is_nobodys_credential() {
    let secrets = Secrets::new();
    let credential = secrets.credential(&sds("token"), &prefix("")).expect("it may come later");
    for broken in ["a\nb", "a\rb", "a\0", "\x7f"] {
        secrets.update(&sds("token").id(), generic("good")).expect("a good secret");
        secrets.update(&sds("token").id(), generic(broken)).expect("it is taken");
        assert_eq!(credential.value(), None, "{broken:?}");
    }
}

#[test]
fn one_that_comes_after_its_secret_has_it_at_once() {
    let secrets = Secrets::new();
    secrets.update(&sds("token").id(), generic("here")).expect("a good secret");
    let credential = secrets.credential(&sds("token"), &prefix("")).expect("it is here");
    assert_eq!(credential.value().as_deref(), Some(&b"here"[..]));
    assert!(!format!("{credential:?}").contains("here\""), "nothing of it is printed");
    secrets.forget(|_| false);
    assert_eq!(credential.value(), None, "a secret that was forgotten is shown no more");
}

#[test]
fn a_secret_of_the_bootstrap_is_there_or_never_will_be() {
    let secrets = Secrets::new();
    let name = SdsName { name: "token".into(), source: SdsSource::Static, initial_fetch_timeout: None };
    let reason = secrets.credential(&name, &prefix("")).expect_err("nothing is there");
    assert!(reason.starts_with("Unknown static generic secret: token"), "{reason}");
    secrets.update(&name.id(), generic("")).expect("an empty one is one");
    assert_eq!(secrets.credential(&name, &prefix("")).expect("it is there").value(), None);
}

#[test]
fn secrets_are_wanted_while_somebody_holds_their_credential() {
    let secrets = Secrets::new();
    let hold = || secrets.credential(&sds("token"), &prefix("")).expect("it may come later");
    let (held, asked) = secrets.asked_during(|| [hold(), hold()]);
    assert_eq!(asked, [sds("token")]);
    assert_eq!(secrets.of_credentials(), [sds("token"), sds("token")]);
    drop(held);
    assert_eq!(secrets.of_credentials(), []);
    assert_eq!(secrets.asked_during(|| ()).1, [], "that was before");
}

#[test]
fn a_file_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    std::fs::write(&path, "one\n").expect("it is ours");
    let file = |name: &str| DataSource::File(FileSource { path: folder.path().join(name), watched: None });
    let secret = GenericSecret { secret: Some(file("token")), ..GenericSecret::default() };
    let secrets = Secrets::new();
    let credential = secrets.credential(&sds("token"), &prefix("")).expect("it may come later");
    secrets.update(&sds("token").id(), SecretKind::Generic(secret.clone())).expect("the file is there");
    assert_eq!(credential.value().as_deref(), Some(&b"one"[..]));
    std::fs::write(folder.path().join("next"), "two\n").expect("it is ours");
    std::fs::rename(folder.path().join("next"), &path).expect("it is ours");
    assert_eq!(secrets.look_at_files().len() + secrets.look_at_files().len(), 1);
    assert_eq!(credential.value().as_deref(), Some(&b"two"[..]));
    let lacking = GenericSecret { secrets: [(prefix("a"), file("nowhere"))].into(), ..secret };
    let reason = secrets.update(&sds("token").id(), SecretKind::Generic(lacking)).expect_err("a file is missing");
    assert!(reason.contains("nowhere"), "{reason}");
    assert_eq!(credential.value().as_deref(), Some(&b"two"[..]), "the one before stays");
}
