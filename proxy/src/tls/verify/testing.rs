//! A verifier for tests.

use super::*;

impl ServerVerifier {
    /// Demands nothing.
    pub fn anything() -> ServerVerifier {
        let peers =
            PeerVerifier::new(Arc::new(PeerContext::anything()), SideDemands::default(), signature::SCHEMES.into());
        ServerVerifier { peers: Arc::new(peers), server: None, demanded: None }
    }
}
