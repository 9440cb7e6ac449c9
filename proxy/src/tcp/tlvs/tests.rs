//! Tests of `tlvs`.

use std::rc::Rc;

use config::access_log::{Format, LogFormat, Part};

use super::*;
use crate::telemetry::stream_info::ConnectionInfo;

const OF_CLIENT: &[u8] = b"\x01\0\x01c\x02\0\x01c";

fn of(
    client: Option<&[u8]>,
    fixed: &[u8],
    formats: Vec<(u8, LogFormat)>,
    merges: TlvMerge,
) -> Result<Vec<u8>, TooLong> {
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let connection = ConnectionInfo { proxy_tlvs: client.map(Arc::from), ..ConnectionInfo::between(nowhere, nowhere) };
    let info = StreamInfo::begin(Rc::new(connection), None);
    let tlvs = Tlvs::compile(&Added { fixed: fixed.into(), formats }, merges);
    tlvs.of(&info).map(|all| all.map(|all| all.to_vec()).unwrap_or_default())
}

fn text(text: &str) -> LogFormat {
    LogFormat::Text(Format { parts: vec![Part::Literal(text.into())], omit_empty: false })
}

#[test]
fn the_client_s_own_are_merged_as_the_policy_says() {
    let own = b"\x02\0\x01o\x03\0\x01o";
    let merged = |client, merges| of(client, own, Vec::new(), merges).unwrap();
    assert_eq!(merged(Some(OF_CLIENT), TlvMerge::AddIfAbsent), OF_CLIENT);
    assert_eq!(merged(Some(&[]), TlvMerge::AddIfAbsent), b"", "a header without entries is one");
    assert_eq!(merged(Some(OF_CLIENT), TlvMerge::Overwrite), [&own[..], b"\x01\0\x01c"].concat());
    assert_eq!(merged(Some(OF_CLIENT), TlvMerge::Append), [OF_CLIENT, own].concat());
    for merges in [TlvMerge::AddIfAbsent, TlvMerge::Overwrite, TlvMerge::Append] {
        assert_eq!(merged(None, merges), own);
        assert_eq!(of(Some(OF_CLIENT), &[], Vec::new(), merges).unwrap(), OF_CLIENT);
        assert_eq!(of(None, &[], Vec::new(), merges).unwrap(), b"");
    }
}

#[test]
fn values_may_be_formats_and_have_a_limit() {
    let formats = |one: &str| vec![(9, text(one))];
    let written = of(None, b"\x02\0\x01o", formats("ab"), TlvMerge::AddIfAbsent);
    assert_eq!(written.unwrap(), b"\x02\0\x01o\x09\0\x02ab");
    assert_eq!(of(None, &[], formats(&"x".repeat(65_536)), TlvMerge::AddIfAbsent), Err(TooLong));
}
