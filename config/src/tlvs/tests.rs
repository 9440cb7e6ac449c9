//! Tests of `tlvs`.

use super::*;

fn entry(kind: u32, value: &[u8]) -> core::TlvEntry {
    core::TlvEntry { r#type: kind, value: value.to_vec(), format_string: None }
}

#[test]
fn entries_are_written_one_after_the_other() {
    let written = fixed(&At::root(), &[entry(5, b"ab"), entry(255, b"c")]).unwrap();
    assert_eq!(&*written, b"\x05\0\x02ab\xff\0\x01c");
    assert_eq!(each(&written).collect::<Vec<_>>(), [&b"\x05\0\x02ab"[..], b"\xff\0\x01c"]);
    assert!(have(&written, 5) && have(&written, 255) && !have(&written, 1));
}

#[test]
fn what_cannot_be_is_refused_by_its_place() {
    let formatted = core::TlvEntry { format_string: Some(Default::default()), ..entry(1, b"a") };
    let large = [entry(1, &[0; 40_000]), entry(1, &[0; 40_000])];
    let cases: [(&[core::TlvEntry], &str); 4] = [
        (&[entry(256, b"a")], "added_tlvs[0].type: 256 is no octet"),
        (&[entry(1, b"a"), entry(1, b"")], "added_tlvs[1].value: "),
        (&[formatted], "added_tlvs[0].format_string: "),
        (&large, "added_tlvs[1].value: all of them together"),
    ];
    let root = At::root();
    let at = root.field("added_tlvs");
    for (list, expected) in cases {
        let refused = added(&at, list, &Options::default()).map(drop).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn what_is_the_same_for_all_has_no_format() {
    let formatted = core::TlvEntry { format_string: Some(Default::default()), ..entry(1, b"") };
    let refused = fixed(&At::root(), &[formatted]).unwrap_err().to_string();
    assert!(refused.contains("[0].format_string: "), "{refused}");
}

#[test]
fn those_that_are_wanted_are_kept_and_what_is_cut_is_none() {
    let whole = b"\x01\0\x01a\x02\0\0\x01\0\x01b";
    assert_eq!(those(whole, |kind| kind == 1).unwrap(), b"\x01\0\x01a\x01\0\x01b");
    assert_eq!(those(b"", |_| true).unwrap(), b"");
    for end in [1, 2, 3, 5, 6, 8, 9, 10] {
        assert_eq!(those(&whole[..end], |_| true), None, "{end}");
    }
}

#[test]
fn which_are_passed_on() {
    let listed = |kind: i32| core::ProxyProtocolPassThroughTlVs { match_type: kind, tlv_type: vec![1, 2] };
    let passed = |proto| super::passed(&At::root(), &proto).unwrap();
    assert_eq!(passed(None), Passed::Nothing);
    assert_eq!(passed(Some(listed(0))), Passed::All, "whatever is listed, as in Envoy");
    let some = passed(Some(listed(1)));
    assert!(some.has(1) && some.has(2) && !some.has(3));
    let bad = core::ProxyProtocolPassThroughTlVs { match_type: 1, tlv_type: vec![1, 300] };
    let refused = super::passed(&At::root(), &Some(bad)).unwrap_err().to_string();
    assert!(refused.contains("tlv_type[1]: 300 is no octet"), "{refused}");
}
