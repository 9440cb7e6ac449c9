//! Tests of `staple`.

use super::*;
use crate::tls::testing::{Status, ocsp_response};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_response_is_for_one_certificate_and_for_a_time() {
    let good = ocsp_response("0a0b", Status::Good, Some("20300102030405Z"));
    let read = Response::parse(&good, "a0b").expect("a good response");
    assert_eq!(read.good_until, Some(UNIX_EPOCH + Duration::from_secs(1_893_553_445)));
    assert_eq!(read.since, UNIX_EPOCH + Duration::from_secs(1_577_836_800));
    assert_eq!(read.der, good);
    // Who is revoked says so itself: the client decides.
    for status in [Status::Revoked, Status::Unknown] {
        assert!(Response::parse(&ocsp_response("0a0b", status, Some("20300102030405Z")), "a0b").is_ok());
    }
    let endless = Response::parse(&ocsp_response("0a0b", Status::Good, None), "a0b").expect("a good response");
    assert_eq!(endless.good_until, None);
    let reason = Response::parse(&good, "a0c").expect_err("another's");
    assert!(reason.contains("another certificate"), "{reason}");
}

#[test]
fn what_is_no_response_is_refused() {
    let good = ocsp_response("0a0b", Status::Good, Some("20300102030405Z"));
    for end in 0..good.len() {
        assert!(Response::parse(&good[..end], "a0b").is_err(), "{end} octets of it");
    }
    let two = [&good[..], &good].concat();
    assert!(Response::parse(&two, "a0b").is_err_and(|reason| reason.contains("more than one")));
    let later = [0x30, 3, 0x0a, 1, 3];
    assert!(Response::parse(&later, "a0b").is_err_and(|reason| reason.contains("did not answer")));
    assert!(Response::parse(&ocsp_response("0a0b", Status::Several, Some("20300102030405Z")), "a0b").is_err());
    for wrong in ["20301302030405Z", "2030010203040Z", "20300102030405+", "20300100030405Z"] {
        assert!(Response::parse(&ocsp_response("0a0b", Status::Good, Some(wrong)), "a0b").is_err(), "{wrong}");
    }
    // Whatever octet is changed: an answer, and no panic.
    for at in 0..good.len() {
        for mask in [1, 0x20, 0x80, 0xff] {
            let mut changed = good.clone();
            changed[at] ^= mask;
            let _ = Response::parse(&changed, "a0b");
        }
    }
}

#[test]
fn what_is_done_depends_on_client_response_and_policy() {
    use StaplePolicy::{Lenient, Must, Strict};
    let now = SystemTime::now();
    let until = |good_until| Response { der: Vec::new(), since: UNIX_EPOCH, good_until };
    let (good, old, endless) = (until(Some(now + DAY)), until(Some(now - DAY)), until(None));
    for (response, policy, want) in [
        (Some(&good), Lenient, Stapling::Shown),
        (Some(&good), Strict, Stapling::Shown),
        (Some(&good), Must, Stapling::Shown),
        (Some(&old), Lenient, Stapling::Omitted),
        (Some(&old), Strict, Stapling::Failed),
        (Some(&old), Must, Stapling::Failed),
        (Some(&endless), Lenient, Stapling::Omitted),
        (Some(&endless), Strict, Stapling::Failed),
        (None, Lenient, Stapling::Omitted),
        (None, Strict, Stapling::Omitted),
        (None, Must, Stapling::Failed),
    ] {
        assert_eq!(Stapling::of(response, policy, true, now), want, "{response:?} {policy:?}");
        assert_eq!(Stapling::of(response, policy, false, now), Stapling::NotAsked);
    }
}

#[test]
fn moments() {
    assert_eq!(moment(b"19700101000000Z"), Some(UNIX_EPOCH));
    assert_eq!(moment(b"20000229235959Z"), Some(UNIX_EPOCH + Duration::from_secs(951_868_799)));
    assert_eq!(moment(b"19691231235959Z"), None);
}
