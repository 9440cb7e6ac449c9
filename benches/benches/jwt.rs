//! What a token costs a request: it is taken apart, and its signature verified with a key of a set (RS256, 2048 bits), as jwt_authn does.
//! The signature alone stands beside it: that share is AWS-LC's.

use std::hint::black_box;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use proxy::policy::jwt::{KeySet, Token};
use serde_json::{Value, json};

fn encoded(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn tokens(criterion: &mut Criterion) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let key: &[u8] = pair.public_key().as_ref();
    // Two numbers in DER, whose places follow from their lengths.
    let [modulus, exponent] = [&key[9..265], &key[267..270]].map(|number| URL_SAFE_NO_PAD.encode(number));
    let set = |kids: &[&str]| {
        let jwk =
            |kid: &&str| json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": modulus, "e": exponent });
        let keys = json!({ "keys": kids.iter().map(jwk).collect::<Vec<_>>() });
        KeySet::parse(keys.to_string().as_bytes()).expect("a set")
    };
    let (one, many) = (set(&["k"]), set(&["a", "b", "c", "d", "k"]));
    let claims = json!({
        "iss": "https://issuer.example/realms/mesh", "sub": "5be86359-073c-434b-ad2d-a3932222dabe", "aud": ["app", "other"],
        "exp": 4_102_444_800_u64, "iat": 1_600_000_000, "scope": "openid profile email", "groups": ["a", "b", "c"],
        "name": "A. User", "email": "user@example.com"
    });
    let signed = format!("{}.{}", encoded(&json!({ "alg": "RS256", "typ": "JWT", "kid": "k" })), encoded(&claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("it signs");
    let text = Bytes::from(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature)));

    let mut group = criterion.benchmark_group("jwt");
    for (name, keys) in [("RS256, one key", &one), ("RS256, one key of five", &many)] {
        let check = || Token::parse(text.clone()).and_then(|token| keys.verify(&token).map(|()| token));
        assert!(check().is_ok(), "{name}: it is verified");
        group.bench_function(name, |bencher| bencher.iter(|| black_box(check().is_ok())));
    }
    group.bench_function("taken apart alone", |bencher| bencher.iter(|| black_box(Token::parse(text.clone()).is_ok())));
    group.bench_function("RS256, the signature alone", |bencher| {
        bencher.iter(|| {
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
            black_box(key.verify(signed.as_bytes(), &signature).is_ok())
        });
    });
    group.finish();
}

criterion_group!(benches, tokens);
criterion_main!(benches);
