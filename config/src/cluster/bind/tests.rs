//! Tests of `bind`.

use super::*;

fn socket(text: &str) -> core::SocketAddress {
    let port = core::socket_address::PortSpecifier::PortValue(0);
    core::SocketAddress { address: text.to_owned(), port_specifier: Some(port), ..core::SocketAddress::default() }
}

fn extra(text: &str) -> core::ExtraSourceAddress {
    core::ExtraSourceAddress { address: Some(socket(text)), socket_options: None }
}

fn read(source: Option<&str>, extras: &[&str]) -> Result<Bind, String> {
    let proto = core::BindConfig {
        source_address: source.map(socket),
        extra_source_addresses: extras.iter().map(|text| extra(text)).collect(),
        ..core::BindConfig::default()
    };
    decode(&At::root(), &proto, "Cluster c").map_err(|rejection| rejection.to_string())
}

#[test]
fn each_family_has_its_address() {
    let bind = read(Some("10.0.0.1"), &["::1"]).expect("good");
    let towards = |to: &str| bind.towards(to.parse().expect("an address")).0.map(|address| address.ip().to_string());
    assert_eq!(towards("10.1.1.1:80").as_deref(), Some("10.0.0.1"));
    assert_eq!(towards("[2001:db8::1]:80").as_deref(), Some("::1"));
    let one = read(Some("10.0.0.1"), &[]).expect("good");
    assert_eq!(one.towards("[2001:db8::1]:80".parse().expect("an address")).0, None);
}

#[test]
fn what_envoy_refuses_is_refused() {
    for (source, extras, expected) in [
        (None, &["::1"][..], "source_address: Cluster c's upstream binding config has extra"),
        (
            Some("10.0.0.1"),
            &["::1", "::2"],
            "extra_source_addresses: Cluster c's upstream binding config has more than one",
        ),
        (
            Some("10.0.0.1"),
            &["10.0.0.2"],
            "extra_source_addresses[0]: Cluster c's upstream binding config has two same IP",
        ),
        (Some("app.example"), &[], "source_address.address: "),
    ] {
        let told = read(source, extras).expect_err("refused");
        assert!(told.contains(expected), "{told}");
    }
}
