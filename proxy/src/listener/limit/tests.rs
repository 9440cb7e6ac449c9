//! Tests of `limit`.

use super::{Full, judged};

#[test]
fn each_switch_spares_listeners_from_its_own_matter_alone() {
    for (full, rejecting, expected) in [
        ((false, false), (false, false), None),
        ((true, false), (false, false), Some(Full::Limit)),
        ((true, true), (false, false), None),
        ((true, false), (false, true), Some(Full::Limit)),
        ((false, false), (true, false), Some(Full::Overload)),
        ((false, true), (true, false), Some(Full::Overload)),
        ((false, false), (true, true), None),
        ((true, true), (true, true), None),
        ((true, false), (true, false), Some(Full::Limit)),
    ] {
        assert_eq!(judged(full, rejecting), expected, "{full:?} {rejecting:?}");
    }
}
