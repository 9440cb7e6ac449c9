//! Access logs over the network as the real Envoy and Outrigger send them: `parity/logs.txt` is what Envoy does (`UPDATE_GOLDENS=1` writes
//! that anew; the diff is the review). What differs on purpose is in `known.md`.

use outrigger_integration::parity::{golden, logs};

#[tokio::test]
async fn envoy_does_what_is_recorded() {
    golden::of_envoy("logs.txt", logs::play).await;
}

#[tokio::test]
async fn outrigger_does_the_same() {
    golden::of_outrigger("logs.txt", logs::play).await;
}
