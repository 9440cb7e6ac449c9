//! Tests of `skip`.

use std::ffi::OsStr;

use super::says_yes;

#[test]
fn ci_is_what_says_so() {
    for yes in ["true", "1", "yes", "TRUE"] {
        assert!(says_yes(Some(OsStr::new(yes))), "{yes}");
    }
    for no in ["", "false", "0"] {
        assert!(!says_yes(Some(OsStr::new(no))), "{no}");
    }
    assert!(!says_yes(None));
}
