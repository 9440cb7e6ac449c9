//! What is read is what the files say: against descriptors, and by example for options.

use super::*;
use crate::descriptors::Descriptors;

#[test]
fn names_kinds_and_children_are_those_of_the_descriptors() {
    let mut descriptors = Descriptors::new();
    let mut seen = 0;
    for message in Message::all().filter(|message| !message.name().starts_with("google.protobuf.")) {
        assert_eq!(Message::named(message.name()), Some(message));
        assert!(Descriptors::knows(message.name()));
        let descriptor = descriptors.message(message.name()).unwrap_or_else(|| panic!("{message:?}"));
        assert_eq!(descriptor.fields().len(), message.fields().count(), "{message:?}");
        for field in message.fields() {
            let described = descriptor.get_field(field.number()).unwrap_or_else(|| panic!("{}", field.name()));
            assert_eq!(described.name(), field.name());
            assert_eq!(described.is_map(), field.is_map());
            assert_eq!(described.is_list() || described.is_map(), field.is_repeated());
            let kind = described.kind();
            assert_eq!(kind.as_message().map(|child| child.full_name()), field.message().map(Message::name));
            if let Some(of) = kind.as_enum() {
                let known = field.enumeration().unwrap();
                assert!(of.values().all(|value| known.defines(value.number())));
                assert!(!known.defines(-77));
            }
            seen += 1;
        }
    }
    assert!(seen > 5000, "{seen}");
    assert_eq!(Message::named("no.such.Message"), None);
    assert_eq!(Message::named(""), None);
}

#[test]
fn options_are_kept() {
    let certificate = Message::named("envoy.extensions.transport_sockets.tls.v3.TlsCertificate").unwrap();
    let sensitive: Vec<_> = certificate.fields().filter(|field| field.is_sensitive()).map(Field::name).collect();
    assert_eq!(sensitive, ["private_key", "pkcs12", "password"]);
    let everywhere = Message::all().flat_map(Message::fields).filter(|field| field.is_sensitive()).count();
    assert!(everywhere > 25, "{everywhere}");

    let action = Message::named("envoy.config.route.v3.RouteAction").unwrap();
    assert_eq!(action.required_oneofs().collect::<Vec<_>>(), ["cluster_specifier"]);
    assert_eq!(action.field_of_json("weightedClusters").unwrap().oneof(), Some(0));
    assert_eq!(action.field_of_json("prefix_rewrite").unwrap().oneof(), None);
    assert!(!action.field_of_json("cluster").unwrap().rules().is_empty());
    assert!(action.field_of_json("cors").unwrap().rules().is_empty());
    assert!(action.is_ruled());
}

#[test]
fn both_spellings_are_one_name() {
    for (field, json) in [("private_key", "privateKey"), ("pkcs12", "pkcs12"), ("a_1b", "a1b"), ("x_y_z", "xYZ")] {
        assert!(same_name(field, field) && same_name(field, json), "{json}");
    }
    for (field, other) in [("private_key", "private_keys"), ("private_key", "privatekey"), ("private_key", "private")] {
        assert!(!same_name(field, other), "{other}");
    }
}
