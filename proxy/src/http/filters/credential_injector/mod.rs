//! `envoy.extensions.filters.http.credential_injector.v3.CredentialInjector`: a request carries the credential of this workload to the
//! application, or is answered with 401. Carries policy.
//!
//! Honoured: all of the filter with a generic credential. What a route's tree holds has no secrets, and is refused. A credential is
//! never logged.

use std::convert::Infallible;
use std::sync::Arc;

use config::filters::credential_injector::CredentialInjector as Config;
use config::{At, Rejection};

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::local_reply::LocalReply;
use crate::tls::Credential;
use crate::wire::headers::Name;

/// The filter.
#[derive(Debug)]
pub(crate) struct CredentialInjector {
    header: Name,
    credential: Arc<Credential>,
    overwrites: bool,
    may_lack: bool,
    counts: Counts,
}

crate::stats::counters! {
    struct Counts { injected failed already_exists }
}

impl HttpFilter for CredentialInjector {
    type Config = Config;
    type ScopedConfig = Infallible;
    type Scoped = Infallible;
    type State = ();

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<CredentialInjector, Rejection> {
        let root = At::root();
        let at = root.field("credential");
        let at = at.field("typed_config");
        let at = at.field("credential");
        let Some(secrets) = deps.secrets else {
            return Err(at
                .unsupported("what a route tells has no secrets: put the filter into the chain")
                .withholding_policy());
        };
        let credential = secrets.credential(&config.secret, &config.prefix);
        Ok(CredentialInjector {
            header: Name::new(&config.header),
            credential: credential.map_err(|reason| at.reject(reason).withholding_policy())?,
            overwrites: config.overwrites,
            may_lack: config.may_lack,
            counts: Counts::new(deps.stats, &format!("{}credential_injector.", deps.scope)),
        })
    }

    fn scope(config: &Infallible, _deps: &FilterDeps<'_>) -> Result<Infallible, Rejection> {
        match *config {}
    }

    fn acts(&self, _scope: Option<&Infallible>) -> Hooks {
        Hooks::REQUEST
    }

    fn request(&self, turn: &mut Turn<'_, '_, CredentialInjector>) -> Step {
        let headers = &mut turn.stream.request.headers;
        if !self.overwrites && headers.contains(&self.header) {
            self.counts.already_exists.inc();
            return Step::Continue;
        }
        if let Some(value) = self.credential.value() {
            headers.set(self.header.clone(), value);
            self.counts.injected.inc();
            return Step::Continue;
        }
        self.counts.failed.inc();
        if self.may_lack {
            return Step::Continue;
        }
        LocalReply::new(401, "failed_to_inject_credential").body(&b"Failed to inject credential."[..]).into()
    }
}

#[cfg(test)]
mod tests;
