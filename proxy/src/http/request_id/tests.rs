//! Tests of `request_id`.

use super::*;

#[test]
fn generated_ids_are_version_4_uuids() {
    for _ in 0..1000 {
        let id = uuid::random();
        assert_eq!(id[14], b'4');
        assert!(matches!(id[19], b'8' | b'9' | b'a' | b'b'));
        for place in [8, 13, 18, 23] {
            assert_eq!(id[place], b'-');
        }
        assert!(id.iter().all(|octet| octet.is_ascii_hexdigit() || *octet == b'-'));
    }
    assert_ne!(uuid::random(), uuid::random());
}
