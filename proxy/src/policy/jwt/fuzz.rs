//! What must hold for any token and any key set. Called by the fuzz targets in `proxy/fuzz` and, with damaged seeds, by the tests here.

use std::sync::LazyLock;

use bytes::Bytes;
use config::filters::jwt_authn::ClaimPath;

use super::{KeySet, Status, Token, claim, header_text};

/// A set with a key of each kind whose private half nobody has.
static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let set = r#"{"keys":[
        {"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow","kid":"o"},
        {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
    ]}"#;
    KeySet::parse(set.as_bytes()).expect("it is one")
});

/// A token is read or refused; what is read is of the form of one, and is verified or not.
pub fn jwt(text: &[u8]) {
    let Ok(token) = Token::parse(Bytes::copy_from_slice(text)) else { return };
    assert_eq!(text.iter().filter(|octet| **octet == b'.').count(), 2);
    assert!(text.starts_with(token.signed()));
    let _ = KEYS.verify(&token);
    let _ = token.check_time(u64::MAX, 60);
    for name in ["iss", "aud", "a.b.c", "x"] {
        let text = claim(&token.claims, &ClaimPath::Name(name.into())).and_then(header_text);
        assert!(!text.is_some_and(|text| text.is_empty()));
    }
}

/// A key set is read or refused; one that is read verifies nothing that it has not signed.
pub fn jwks(text: &[u8]) {
    let Ok(keys) = KeySet::parse(text) else { return };
    let token = "eyJhbGciOiJSUzI1NiJ9.e30.AAAA";
    let token = Token::parse(Bytes::from_static(token.as_bytes())).expect("it is one");
    assert!(matches!(keys.verify(&token), Err(Status::VerificationFails | Status::NoMatchingKey)));
}
