//! Tests of `key`.

use super::*;

fn alpn(names: &[&[u8]]) -> AlpnList {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// Two wants that differ in any part have different keys.
#[test]
fn every_part_counts() {
    let (istio, other) = (alpn(&[b"istio"]), alpn(&[b"istio", b"http/1.1"]));
    let here = |port: u16| (SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([127, 0, 0, 2], 80)));
    let (told, else_told): (Arc<[u8]>, Arc<[u8]>) = (Arc::from(*b"\x05\0\x01a"), Arc::from(*b"\x05\0\x01b"));
    let base = KeyRef {
        transport: 0,
        speaks: Speaks::Http1,
        priority: Priority::Default,
        alpn: Some(&istio),
        sni: Some("a"),
        demanded: Some("a"),
        proxied: Some(here(1)),
        tlvs: Some(&told),
        client: Some(1),
    };
    let others = [
        KeyRef { transport: 1, ..base },
        KeyRef { speaks: Speaks::Http2, ..base },
        KeyRef { speaks: Speaks::Either, ..base },
        KeyRef { priority: Priority::High, ..base },
        KeyRef { alpn: Some(&other), ..base },
        KeyRef { alpn: None, ..base },
        KeyRef { sni: Some("b"), ..base },
        KeyRef { sni: None, ..base },
        KeyRef { demanded: Some("b"), ..base },
        KeyRef { demanded: None, ..base },
        KeyRef { proxied: Some(here(2)), ..base },
        KeyRef { proxied: None, ..base },
        KeyRef { tlvs: Some(&else_told), ..base },
        KeyRef { tlvs: None, ..base },
        KeyRef { client: Some(2), ..base },
        KeyRef { client: None, ..base },
    ];
    for (index, key) in others.iter().enumerate() {
        assert!(!key.is(&base.owned()) && !base.is(&key.owned()), "{index}");
    }
    // Lists of equal content are the same, wherever they are kept.
    let copy = alpn(&[b"istio"]);
    assert!(KeyRef { alpn: Some(&copy), ..base }.is(&base.owned()));
}
