//! Tests of tokens and key sets: what is believed, and the words for what is not. Where Envoy 1.40 does otherwise `known.md` says so.

use bytes::Bytes;
use serde_json::{Value, json};

use super::testing::{FAR, Signer, base64url, claims, set};
use super::*;

mod fuzzed;
mod sets;

fn parse(text: &str) -> Result<Token, Status> {
    Token::parse(Bytes::copy_from_slice(text.as_bytes()))
}

/// What comes of a token with these keys.
fn judged(keys: &[Value], token: &str) -> Result<(), Status> {
    KeySet::parse(set(keys).as_bytes()).unwrap().verify(&parse(token)?)
}

#[test]
fn every_algorithm_by_its_own_kind_of_key_and_no_other() {
    let kinds: [(Signer, &[&str]); 6] = [
        (Signer::rsa(), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        (Signer::ec("ES256"), &["ES256"]),
        (Signer::ec("ES384"), &["ES384"]),
        (Signer::ec("ES512"), &["ES512"]),
        (Signer::ed25519(), &["EdDSA"]),
        (Signer::shared(), &["HS256", "HS384", "HS512"]),
    ];
    let all: Vec<&str> = kinds.iter().flat_map(|(_, algs)| algs.iter().copied()).collect();
    for (signer, algs) in &kinds {
        let any = [signer.jwk(json!({}))];
        for alg in all.iter().copied() {
            let token = signer.good(alg, json!({}));
            let is_its_own = algs.contains(&alg);
            assert_eq!(judged(&any, &token).is_ok(), is_its_own, "{alg} with {}", any[0]["kty"]);
            if !is_its_own {
                continue;
            }
            assert_eq!(judged(&[signer.jwk(json!({"alg": alg}))], &token), Ok(()), "{alg}");
            let mut other = token.clone().into_bytes();
            let payload = token.find('.').unwrap() + 3;
            other[payload] = if other[payload] == b'A' { b'B' } else { b'A' };
            let changed = judged(&any, std::str::from_utf8(&other).unwrap());
            assert!(changed.is_err(), "{alg}: a payload that was changed");
            for other in algs.iter().filter(|other| **other != alg) {
                let for_another = [signer.jwk(json!({"alg": other}))];
                assert_eq!(judged(&for_another, &token), Err(Status::NoMatchingKey), "{alg}, a key for {other}");
            }
        }
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let rsa = Signer::rsa();
    let jwk = rsa.jwk(json!({}));
    for secret in [jwk["n"].as_str().unwrap().to_owned(), jwk.to_string(), set(std::slice::from_ref(&jwk))] {
        let forged = Signer::Shared(secret.into_bytes()).good("HS256", json!({}));
        assert_eq!(judged(std::slice::from_ref(&jwk), &forged), Err(Status::VerificationFails));
    }
}

#[test]
fn the_example_of_rfc_7515() {
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                 cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let key = json!({
        "kty": "oct",
        "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    });
    assert_eq!(judged(&[key], token), Ok(()));
    let token = parse(token).unwrap();
    assert_eq!((token.issuer(), token.expires()), ("joe", Some(1_300_819_380)));
    assert_eq!(token.check_time(1_300_819_440, 60), Ok(()));
    assert_eq!(token.check_time(1_300_819_441, 60), Err(Status::Expired));
}

#[test]
fn kids_lead_to_keys() {
    let (one, two) = (Signer::rsa(), Signer::rsa());
    let keys = [one.jwk(json!({"kid": "1"})), two.jwk(json!({"kid": "2"}))];
    let token = |kid: Value| two.token(&json!({"alg": "RS256", "kid": kid}), &claims(json!({})));
    assert_eq!(judged(&keys, &token(json!("2"))), Ok(()));
    assert_eq!(judged(&keys, &token(json!("1"))), Err(Status::VerificationFails));
    assert_eq!(judged(&keys, &token(json!("3"))), Err(Status::NoMatchingKey));
    assert_eq!(judged(&keys, &two.good("RS256", json!({}))), Ok(()), "without one all are tried");
    assert_eq!(judged(&[two.jwk(json!({}))], &token(json!("3"))), Ok(()), "a key without one is for all");
}

#[test]
fn what_a_header_must_not_say() {
    let rsa = Signer::rsa();
    let key = [rsa.jwk(json!({}))];
    let with = |header: Value| judged(&key, &rsa.token(&header, &claims(json!({}))));
    assert_eq!(with(json!({"alg": "none"})), Err(Status::UnknownAlg));
    assert_eq!(with(json!({"alg": "rs256"})), Err(Status::UnknownAlg));
    assert_eq!(with(json!({"alg": 1})), Err(Status::BadAlg));
    assert_eq!(with(json!({})), Err(Status::BadAlg));
    assert_eq!(with(json!({"alg": "RS256", "kid": 1})), Err(Status::BadKid));
    assert_eq!(with(json!({"alg": "RS256", "kid": null})), Err(Status::BadKid));
    assert_eq!(with(json!({"alg": "RS256", "crit": ["b64"], "b64": false})), Err(Status::VerificationFails));
    assert_eq!(with(json!({"alg": "RS256", "crit": []})), Err(Status::VerificationFails));
    assert_eq!(with(json!({"alg": "RS256", "typ": "JWT", "x": {"y": [1]}})), Ok(()));
    let unsigned = format!("{}.{}.", base64url(r#"{"alg":"none"}"#), base64url(claims(json!({})).to_string()));
    assert_eq!(judged(&key, &unsigned), Err(Status::BadFormat));
}

#[test]
fn no_token_is_longer_than_any_needs() {
    let rsa = Signer::rsa();
    let key = [rsa.jwk(json!({}))];
    let of = |length: usize| rsa.good("RS256", json!({"x": "x".repeat(length)}));
    assert_eq!(judged(&key, &of(40_000)), Ok(()));
    let long = of(50_000);
    assert!(long.len() > 64 * 1024);
    assert_eq!(judged(&key, &long), Err(Status::BadFormat));
}

#[test]
fn words_for_each_fault_of_a_token() {
    let rsa = Signer::rsa();
    let with = |change: Value| parse(&rsa.good("RS256", change)).map(drop);
    let raw = |payload: &str| parse(&rsa.raw(r#"{"alg":"RS256"}"#, payload, "RS256")).map(drop);
    let cases = [
        (with(json!({"iss": 1})), Status::BadIss),
        (with(json!({"sub": []})), Status::BadSub),
        (with(json!({"iat": "1"})), Status::BadIat),
        (with(json!({"iat": -1})), Status::IatRange),
        (with(json!({"nbf": true})), Status::BadNbf),
        (with(json!({"nbf": 1e30})), Status::NbfRange),
        (with(json!({"exp": "soon"})), Status::BadExp),
        (with(json!({"exp": -0.5})), Status::ExpRange),
        (with(json!({"jti": 1})), Status::BadJti),
        (with(json!({"aud": {}})), Status::BadAud),
        (with(json!({"aud": ["a", 1]})), Status::BadAud),
        (raw(r#"{"iss":null}"#), Status::BadIss),
        (raw("[]"), Status::PayloadJson),
        (raw("{"), Status::PayloadJson),
        (raw("{} {}"), Status::PayloadJson),
        (raw(r#"{"iss":"i","iss":"i"}"#), Status::PayloadJson),
        (raw(r#"{"a":{"b":1,"b":2}}"#), Status::PayloadJson),
        (raw(r#"{"exp":1e999}"#), Status::PayloadJson),
        (raw("{'iss':'i'}"), Status::PayloadJson),
        (raw(&format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100))), Status::PayloadJson),
        (parse("a.b.c").map(drop), Status::HeaderBase64),
        (parse("YQ.b.c").map(drop), Status::HeaderJson),
        (parse("a.b").map(drop), Status::BadFormat),
        (parse("a.b.c.d").map(drop), Status::BadFormat),
        (parse("a..b.c").map(drop), Status::BadFormat),
        (parse(".a.b").map(drop), Status::BadFormat),
        (parse("").map(drop), Status::BadFormat),
        (parse(&format!("{}.*.c", base64url(r#"{"alg":"RS256"}"#))).map(drop), Status::PayloadBase64),
        (parse(&format!("{}*", rsa.good("RS256", json!({})))).map(drop), Status::SignatureBase64),
        (parse(&format!("{}=", rsa.good("RS256", json!({})))).map(drop), Status::SignatureBase64),
        (parse(&rsa.good("RS256", json!({})).replacen('.', " .", 1)).map(drop), Status::HeaderBase64),
    ];
    for (place, (got, expected)) in cases.into_iter().enumerate() {
        assert_eq!(got, Err(expected), "case {place}");
    }
    assert_eq!(raw(&format!("{{\"a\":{}{}}}", "[".repeat(99), "]".repeat(99))), Ok(()));
    assert_eq!(with(json!({"exp": 1.9, "nbf": 0, "iat": 1e3, "aud": ["a"], "jti": "j"})), Ok(()));
    // 256 octets have two signs of padding, or none.
    assert_eq!(parse(&format!("{}==", rsa.good("RS256", json!({})))).map(drop), Ok(()));
}

#[test]
fn times_are_compared_without_overflow() {
    let rsa = Signer::rsa();
    let token = |more| parse(&rsa.good("RS256", more)).unwrap();
    assert_eq!(token(json!({"nbf": 1000})).check_time(940, 60), Ok(()));
    assert_eq!(token(json!({"nbf": 1000})).check_time(939, 60), Err(Status::NotYetValid));
    assert_eq!(token(json!({"exp": null})).check_time(u64::MAX, u64::MAX), Ok(()));
    assert_eq!(token(json!({"exp": 0})).check_time(61, 60), Err(Status::Expired), "zero is a time, too");
    assert_eq!(token(json!({"exp": 1.8e19})).check_time(FAR, u64::MAX), Ok(()));
    assert_eq!(token(json!({"exp": 100.9})).check_time(101, 0), Err(Status::Expired), "fractions are cut off");
}

#[test]
fn audiences_by_their_bare_names() {
    let allowed = Audiences::new(&["https://a/".into(), "b".into()]);
    let allow = |one: &str| allowed.allow(&[one.to_owned()]);
    for good in ["a", "a/", "http://a", "https://a/", "b", "http://b"] {
        assert!(allow(good), "{good}");
    }
    for bad in ["", "A", "a//", "ftp://a", "b/x", "https://https://a"] {
        assert!(!allow(bad), "{bad}");
    }
    assert!(!allowed.allow(&[]));
    assert!(allowed.allow(&["x".to_owned(), "b".to_owned()]));
    assert!(Audiences::new(&[]).allow(&[]));
}

#[test]
fn claims_as_headers() {
    use config::filters::jwt_authn::ClaimPath;
    let claims = json!({
        "s": "text", "e": "", "t": true, "f": false, "n": null, "i": 7, "neg": -5, "half": 0.5, "big": 9_223_372_036_854_775_808_u64,
        "l": [1.5, null, "<&>\u{2028}"], "o": {"b": 1}, "a": {"b": {"c": "deep"}}, "a.b": "dots", "nl": "a\r\nb: c", "u": "é"
    });
    let claims = claims.as_object().unwrap();
    let name = |name: &str| claim(claims, &ClaimPath::Name(name.into())).and_then(header_text);
    let keys = |keys: &[&str]| {
        claim(claims, &ClaimPath::Keys(keys.iter().map(|key| (*key).into()).collect())).and_then(header_text)
    };
    let cases = [
        ("s", Some("text")),
        ("e", None),
        ("t", Some("true")),
        ("f", Some("false")),
        ("n", None),
        ("i", Some("7")),
        ("neg", Some("-5.000000")),
        ("half", Some("0.500000")),
        ("big", Some("9223372036854775808")),
        ("l", Some("WzEuNSxudWxsLCJcdTAwM2MmXHUwMDNlXHUyMDI4Il0=")),
        ("o", Some("eyJiIjoxfQ==")),
        ("o.b", Some("1")),
        ("a.b.c", Some("deep")),
        ("a.b.d", None),
        ("s.x", None),
        ("none", None),
        ("nl", Some("a\r\nb: c")),
        ("u", Some("é")),
    ];
    for (path, expected) in cases {
        assert_eq!(name(path).as_deref(), expected, "{path}");
    }
    assert_eq!(keys(&["a.b"]).as_deref(), Some("dots"));
    assert_eq!(keys(&["a", "b", "c"]).as_deref(), Some("deep"));
    assert_eq!(keys(&["s", "x"]), None);
}

#[test]
fn nothing_that_is_printed_holds_a_key_or_a_token() {
    let shared = Signer::shared();
    let keys = KeySet::parse(set(&[shared.jwk(json!({}))]).as_bytes()).unwrap();
    let token = parse(&shared.good("HS256", json!({"sub": "whose"}))).unwrap();
    assert_eq!(format!("{keys:?} {token:?}"), "KeySet(1 keys) Token");
}

#[test]
fn codes_are_envoys() {
    let lines = include_str!("status.rs").lines().filter(|line| line.ends_with("\";"));
    let codes: Vec<u8> = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse().ok()).collect();
    assert!(codes.len() > 30, "{codes:?}");
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]) && codes[0] == 1, "{codes:?}");
    assert_eq!((Status::VerificationFails.code(), Status::FetchFails.code()), (26, 40));
}
