//! Tests of `http`.

use super::*;

#[test]
fn the_book_has_its_length() {
    let body = details();
    assert_eq!(body.len(), DETAILS_BYTES);
    assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
}
