//! What the real Envoy and Outrigger ask authorizers and rate limit services, and what comes of the answers: `parity/asked_services.txt`
//! is what Envoy does (`UPDATE_GOLDENS=1` writes that anew; the diff is the review). What differs on purpose is in `known.md`.

use outrigger_integration::parity::{asked, golden};

#[tokio::test]
async fn envoy_does_what_is_recorded() {
    golden::of_envoy("asked_services.txt", asked::play).await;
}

#[tokio::test]
async fn outrigger_does_the_same() {
    golden::of_outrigger("asked_services.txt", asked::play).await;
}
