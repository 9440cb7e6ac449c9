//! The listener filters of a listener, compiled: those that stand in it, and those that are discovered, as they are now. Made by the control
//! thread; connections that begin read it. A new config of one makes a new list beside the one in use.

use std::sync::Arc;

use arc_swap::ArcSwap;
use config::listener::{ListenerFilter, ListenerFilterKind, ListenerPredicate};
use config::{At, Rejection};

use crate::compile::CompileDeps;
use crate::discoveries::{self, Discoveries, Key, Kind, Swap};
use crate::telemetry::state_values::StateValues;

/// Of one listener.
pub(in crate::listener) struct Filters {
    config: Box<[ListenerFilter]>,
    list: ArcSwap<List>,
}

/// As they are now, in order.
pub(in crate::listener) struct List {
    pub filters: Box<[Placed]>,
    /// There is no config for one of them: connections are closed.
    pub is_missing_one: bool,
}

/// A filter.
pub(in crate::listener) struct Placed {
    pub kind: ListenerFilterKind,
    pub disabled: Option<ListenerPredicate>,
    /// The objects that it sets.
    pub values: StateValues,
}

impl Filters {
    /// Compiles; `at` is the list.
    ///
    /// # Errors
    /// The field that cannot be honoured.
    pub fn compile(filters: &[ListenerFilter], at: &At<'_>, deps: &CompileDeps<'_>) -> Result<Arc<Filters>, Rejection> {
        let list = List::compile(filters, Some(at), deps.discoveries)?;
        let filters = Arc::new(Filters { config: filters.into(), list: ArcSwap::from_pointee(list) });
        if filters.config.iter().any(|filter| matches!(filter.kind, ListenerFilterKind::Discovered(_))) {
            let weak = Arc::downgrade(&filters);
            deps.discoveries.register(weak);
        }
        Ok(filters)
    }

    /// Those that a connection meets which begins now.
    pub fn newest(&self) -> Arc<List> {
        self.list.load_full()
    }
}

impl discoveries::Chain for Filters {
    fn rebuild(self: Arc<Self>, key: &Key, discoveries: &Discoveries) -> Result<Option<Swap>, Rejection> {
        let is_new =
            |filter: &ListenerFilter| filter.name == key.1 && matches!(filter.kind, ListenerFilterKind::Discovered(_));
        if key.0 != Kind::Listener || !self.config.iter().any(is_new) {
            return Ok(None);
        }
        let list = Arc::new(List::compile(&self.config, None, discoveries)?);
        Ok(Some(Box::new(move || self.list.store(list))))
    }
}

impl List {
    /// `at` is where they stand, unless they are compiled for what was discovered alone.
    fn compile(filters: &[ListenerFilter], at: Option<&At<'_>>, discoveries: &Discoveries) -> Result<List, Rejection> {
        let mut list = Vec::with_capacity(filters.len());
        let mut is_missing_one = false;
        for (index, filter) in filters.iter().enumerate() {
            let (field, compiled) = match &filter.kind {
                ListenerFilterKind::Discovered(discovery) => {
                    let found = discoveries.listener(&filter.name, discovery);
                    ("config_discovery", found.compile(discovery, compiled))
                }
                kind => ("typed_config", compiled(kind).map(Some)),
            };
            let compiled = compiled.map_err(|rejection| match at {
                Some(at) => rejection.below(&at.index(index).field(field)),
                None => rejection,
            })?;
            match compiled {
                Some((kind, values)) => list.push(Placed { kind, disabled: filter.disabled.clone(), values }),
                None => is_missing_one = true,
            }
        }
        Ok(List { filters: list.into(), is_missing_one })
    }
}

fn compiled(kind: &ListenerFilterKind) -> Result<(ListenerFilterKind, StateValues), Rejection> {
    let values = match kind {
        ListenerFilterKind::SetFilterState(values) => {
            StateValues::of_connection(values, &At::root().field("on_accept"))?
        }
        _ => StateValues::default(),
    };
    Ok((kind.clone(), values))
}
