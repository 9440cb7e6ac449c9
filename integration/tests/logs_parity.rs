//! Access logs over the network as the real Envoy and Outrigger send them: `parity/logs.txt` is what Envoy does (`UPDATE_GOLDENS=1` writes
//! that anew; the diff is the review). What differs on purpose is in `known.md`.

use std::path::Path;

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::{envoy, golden, logs};
use outrigger_integration::skip::or_skip;

async fn compare(program: &Path, update: bool) {
    let text = logs::play(program).await.expect("all is played");
    golden::hold("logs.txt", &text, update);
}

#[tokio::test]
async fn envoy_does_what_is_recorded() {
    if let Some(envoy) = or_skip("envoy_does_what_is_recorded", envoy()) {
        compare(&envoy, std::env::var_os("UPDATE_GOLDENS").is_some()).await;
    }
}

#[tokio::test]
async fn outrigger_does_the_same() {
    compare(&binary::build().expect("the binary builds"), false).await;
}
