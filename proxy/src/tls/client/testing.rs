//! Contexts for tests.

use super::*;

impl ClientContext {
    /// The same context with other suites or curves.
    pub(in crate::tls) fn with_provider(self: Arc<Self>, provider: CryptoProvider, secrets: &Secrets) -> Arc<Self> {
        let mut context = Arc::into_inner(self).expect("nobody else has it");
        context.provider = Arc::new(provider);
        context.try_rebuild(secrets, View::Current).expect("it was built before");
        Arc::new(context)
    }
}
