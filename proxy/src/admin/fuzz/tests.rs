//! Queries by themselves, and whole pages with them.

use super::super::tests::{admin, get, post};
use super::*;
use crate::testing::{mutate, run};

const WORDS: &[&[u8]] = &[
    b"&",
    b"=",
    b"%",
    b"%25",
    b"%ff",
    b"+",
    b"(",
    b"(a*)*",
    b"[[:alpha:]]",
    b"\\",
    b"{1000}",
    b"filter",
    b"format=json",
    b"format=prometheus",
    b"mask=bootstrap",
    b"resource=static_listeners",
    b"name_regex=.*",
    b"usedonly",
    b"level=info",
    b"paths=http:info",
    b"\xff",
];

fn words(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    mutate(random, seeds, WORDS)
}

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "0usedonly&filter=^(a|b)\\.c$",
        "0format=json&histogram_buckets=detailed",
        "0resource=dynamic_listeners&mask=a.b",
        "0name_regex=a.*&include_eds",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

#[test]
fn mutated_queries() {
    run(query, words, &seeds(), 41, 6_000);
}

/// Every page answers, whatever is asked: what it does not understand is an error of the client.
#[tokio::test]
async fn mutated_requests() {
    let (admin, _) = admin();
    let mut random = fastrand::Rng::with_seed(42);
    for _ in 0..400 {
        let input = words(&mut random, &seeds());
        let escaped: String = input
            .iter()
            .map(|octet| match octet {
                b'a'..=b'z' | b'0'..=b'9' | b'&' | b'=' | b'%' | b'+' | b'(' | b')' | b'*' | b'.' => {
                    char::from(*octet).to_string()
                }
                other => format!("%{other:02x}"),
            })
            .collect();
        for page in ["/stats", "/config_dump", "/clusters", "/listeners", "/server_info", "/runtime", "/certs"] {
            let (status, _) = get(&admin, &format!("{page}?{escaped}")).await;
            assert!([200, 400, 404].contains(&status), "{page}?{escaped}: {status}");
        }
        let (status, _) = post(&admin, &format!("/logging?{escaped}")).await;
        assert!([200, 400].contains(&status), "/logging?{escaped}: {status}");
    }
}
