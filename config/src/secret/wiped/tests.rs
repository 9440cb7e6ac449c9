//! What is left of a message, and of octets that are taken over.

use super::*;

#[test]
fn a_message_that_was_read_holds_no_key_any_more() {
    let source = |specifier| Some(core::DataSource { specifier: Some(specifier), ..Default::default() });
    let text = |text: &str| source(core::data_source::Specifier::InlineString(text.into()));
    let octets = |octets: &[u8]| source(core::data_source::Specifier::InlineBytes(octets.into()));
    let certificate = pb::TlsCertificate {
        certificate_chain: text("chain"),
        private_key: text("key"),
        password: octets(b"password"),
        ..Default::default()
    };
    let keys = pb::TlsSessionTicketKeys { keys: octets(b"ticket").into_iter().collect() };
    let generic = pb::GenericSecret { secret: text("token"), ..Default::default() };
    for (kind, public) in [
        (pb::secret::Type::TlsCertificate(certificate), true),
        (pb::secret::Type::SessionTicketKeys(keys), false),
        (pb::secret::Type::GenericSecret(generic), false),
    ] {
        let mut secret = pb::Secret { name: "s".into(), r#type: Some(kind) };
        wipe_message(&mut secret);
        let left = format!("{secret:?}");
        for word in ["key\"", "112, 97, 115", "116, 105, 99", "token"] {
            assert!(!left.contains(word), "{left}");
        }
        assert_eq!(left.contains("\"chain\""), public, "{left}");
    }
}

#[test]
fn octets_that_are_taken_over_are_the_same() {
    let shared = Bytes::from_static(b"shared");
    assert_eq!(wipe(shared.clone()), shared);
    assert_eq!(wipe(Bytes::from(b"own".to_vec())), &b"own"[..]);
}
