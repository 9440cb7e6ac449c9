//! What a number that differs from run to run is told as.

use super::with_number_named;

#[test]
fn a_longer_number_that_holds_the_digits_is_another() {
    let text = "127.0.0.1:37095 18446744073709551615 37095\u{e9}137095 37095";
    assert_eq!(
        with_number_named(text, 37095, "{port}"),
        "127.0.0.1:{port} 18446744073709551615 {port}\u{e9}137095 {port}"
    );
}
