//! The contract of a network filter: a value in a chain, with synchronous hooks. Filters implement [`NetworkFilter`]; `run` calls it.
//! A filter never names another filter, a socket or what comes after it in the chain.

use std::rc::Rc;
use std::sync::Arc;

use config::Rejection;

use crate::call::Calls;
use crate::call::wait::{Wait, Waited};
use crate::discoveries::Discoveries;
use crate::failure::ResponseFlags;
use crate::stats::Stats;
use crate::telemetry::stream_info::ConnectionInfo;

/// A filter before the last one. Made once on the control thread and shared by all workers.
pub(crate) trait NetworkFilter: Sized + Send + Sync + 'static {
    /// Plain data of `config::filters::network::<name>`.
    type Config;
    /// What one connection remembers. It is dropped when the connection ends, however it does: what must be given back is in there.
    type State: Default + 'static;

    /// Compiles it.
    ///
    /// # Errors
    /// The field that cannot be honoured; the path begins at the filter's config.
    fn compile(config: &Self::Config, deps: &FilterDeps<'_>) -> Result<Self, Rejection>;

    /// Which hooks are called.
    fn wants(&self) -> Hooks;

    /// A connection has this chain. Nothing of TLS has been said yet, as in Envoy: who is turned away costs no handshake.
    fn connected(&self, _turn: &mut Turn<'_, Self::State>) -> Step {
        Step::Continue
    }

    /// TLS stands; on plain connections right after [`connected`](NetworkFilter::connected).
    fn secured(&self, _turn: &mut Turn<'_, Self::State>) -> Step {
        Step::Continue
    }

    /// The first octets of the client have come, and nobody else has read them; none, where connections are relayed and the client has
    /// ended without any. A server that speaks first is heard meanwhile.
    fn first(&self, _turn: &mut Turn<'_, Self::State>) -> Step {
        Step::Continue
    }

    /// Octets behind the first ones were read, or the end of what the client says where connections are relayed: nobody else has seen
    /// them yet, and nothing more is read meanwhile.
    fn more(&self, _turn: &mut Turn<'_, Self::State>) -> Step {
        Step::Continue
    }

    /// What was waited for came. The default fails closed.
    fn resumed(&self, _turn: &mut Turn<'_, Self::State>, _waited: Waited) -> Step {
        Step::Close(ResponseFlags::NONE)
    }
}

/// What a filter is compiled with.
#[derive(Clone, Copy)]
pub(crate) struct FilterDeps<'a> {
    /// Where its statistics are registered.
    pub stats: &'a Arc<Stats>,
    /// Configs that are discovered.
    pub discoveries: &'a Discoveries,
}

/// A set of hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hooks(u8);

#[allow(missing_docs)]
impl Hooks {
    pub const CONNECTED: Hooks = Hooks(1);
    pub const SECURED: Hooks = Hooks(2);
    pub const FIRST: Hooks = Hooks(4);
    pub const MORE: Hooks = Hooks(8);

    /// Both.
    pub const fn with(self, other: Hooks) -> Hooks {
        Hooks(self.0 | other.0)
    }

    /// Any of these.
    pub const fn has(self, any: Hooks) -> bool {
        self.0 & any.0 != 0
    }
}

/// What a hook wants next.
#[derive(Debug)]
pub(crate) enum Step {
    /// The next filter.
    Continue,
    /// [`NetworkFilter::resumed`] when it has come. Meanwhile the client is watched: if it goes, that never comes.
    Wait(Wait),
    /// The connection is closed, with these flags in the log.
    Close(ResponseFlags),
}

/// What a filter sees of its connection.
#[derive(Clone, Copy)]
pub(crate) struct View<'t> {
    /// Addresses, names, TLS, filter state.
    pub connection: &'t Rc<ConnectionInfo>,
    /// Calls to services.
    pub calls: &'t Calls,
}

/// A hook's view of its connection.
pub(crate) struct Turn<'t, S> {
    /// What it remembers.
    pub state: &'t mut S,
    /// The connection.
    pub view: View<'t>,
}
