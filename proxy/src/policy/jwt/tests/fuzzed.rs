//! Tokens and key sets that were damaged: they are refused, and nothing else happens.

use super::super::fuzz;
use super::*;

/// A small generator of numbers (SplitMix64), so that a failure can be repeated.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)) as usize
}

/// How often: `MUTATIONS` says.
fn rounds() -> usize {
    std::env::var("MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(3000)
}

/// A seed with some octets changed, left out or repeated.
fn damaged(seed: &[u8], state: &mut u64) -> Vec<u8> {
    let mut text = seed.to_vec();
    for _ in 0..=random(state) % 4 {
        if text.is_empty() {
            return text;
        }
        let at = random(state) % text.len();
        match random(state) % 5 {
            0 => text[at] = random(state) as u8,
            1 => drop(text.remove(at)),
            2 => text.truncate(at),
            3 => text.insert(at, b"\"{}[].,:=-_\\0e"[random(state) % 14]),
            _ => {
                let piece = text[at..text.len().min(at + 1 + random(state) % 40)].to_vec();
                text.splice(at..at, piece);
            }
        }
    }
    text
}

#[test]
fn damaged_tokens_and_sets_are_read_or_refused() {
    let signers = [Signer::rsa(), Signer::ec("ES256"), Signer::ed25519(), Signer::shared()];
    let algs = ["RS256", "ES256", "EdDSA", "HS256"];
    let mut state = 1;
    for (signer, alg) in signers.iter().zip(algs) {
        let more = json!({"aud": ["a", "b"], "scope": "x y", "o": {"l": [1, 2.5, null, true]}});
        let token = signer.token(&json!({"alg": alg, "kid": "k"}), &claims(more));
        let keys = set(&[signer.jwk(json!({"kid": "k", "alg": alg})), signer.jwk(json!({}))]);
        let good = KeySet::parse(keys.as_bytes()).unwrap();
        for _ in 0..rounds() {
            let other = damaged(token.as_bytes(), &mut state);
            fuzz::jwt(&other);
            fuzz::jwks(&damaged(keys.as_bytes(), &mut state));
            // What differs in more than the spare bits at the end of its signature was not signed.
            let signed = |text: &[u8]| text.rsplitn(2, |octet| *octet == b'.').nth(1).map(<[u8]>::to_vec);
            if signed(&other) != signed(token.as_bytes())
                && let Ok(read) = Token::parse(Bytes::from(other))
            {
                assert!(good.verify(&read).is_err(), "{alg}");
            }
        }
    }
}

#[test]
fn damaged_json_inside_of_a_token_is_read_or_refused() {
    let mut state = 7;
    let seed = claims(json!({"aud": ["a"], "nbf": 1.5e3, "x": {"y": [1, {"z": "\u{e9}\n"}]}})).to_string();
    for _ in 0..rounds() {
        let payload = damaged(seed.as_bytes(), &mut state);
        let text = format!("{}.{}.{}", base64url(r#"{"alg":"HS256"}"#), base64url(payload), base64url([1; 32]));
        fuzz::jwt(text.as_bytes());
    }
}
