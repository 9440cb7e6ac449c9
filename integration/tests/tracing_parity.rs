//! Spans as the real Envoy and Outrigger send them: `parity/tracing.txt` is what Envoy does (`UPDATE_GOLDENS=1` writes that anew; the diff is
//! the review). What differs on purpose is in `known.md`.

use outrigger_integration::parity::{golden, tracing};

#[tokio::test]
async fn envoy_does_what_is_recorded() {
    golden::of_envoy("tracing.txt", tracing::play).await;
}

#[tokio::test]
async fn outrigger_does_the_same() {
    golden::of_outrigger("tracing.txt", tracing::play).await;
}
