//! Makes the closed sets out of the list of network filters: [`Filter`](super::Filter) in a chain, [`State`](super::State) of a
//! connection, and one `match` a hook.

macro_rules! network_filters {
    ($($variant:ident $module:ident;)*) => {
        /// A filter, compiled.
        #[allow(clippy::large_enum_variant)] // Each stands on the heap, with its place.
        enum Filter {
            $(#[doc = concat!("[`", stringify!($module), "`].")] $variant($module::$variant),)*
        }

        /// What a filter remembers of one connection. Dropped with it.
        #[allow(clippy::enum_variant_names)] // They are the filters' names.
        enum State {
            $(#[doc = stringify!($module)] $variant(<$module::$variant as filter::NetworkFilter>::State),)*
        }

        impl Filter {
            fn compile(
                config: &config::filters::NetworkFilterConfig,
                deps: &FilterDeps<'_>,
            ) -> Result<Option<Filter>, config::Rejection> {
                use config::filters::NetworkFilterConfig as Config;
                Ok(match config {
                    $(Config::$variant(config) => Some(Filter::$variant($module::$variant::compile(config, deps)?)),)*
                    // Those that do not act yet, and the last ones of chains.
                    Config::MetadataExchange(_)
                    | Config::IstioStats(_)
                    | Config::Discovered(_)
                    | Config::Inert(_)
                    | Config::DirectResponse(_)
                    | Config::Echo(_) => None,
                })
            }

            fn begin(&self) -> State {
                match self {
                    $(Filter::$variant(_) => State::$variant(Default::default()),)*
                }
            }

            fn wants(&self) -> Hooks {
                match self {
                    $(Filter::$variant(filter) => filter.wants(),)*
                }
            }

            fn call(&self, state: &mut State, view: filter::View<'_>, hook: run::Hook) -> Step {
                match (self, state) {
                    $((Filter::$variant(filter), State::$variant(state)) => {
                        let mut turn = Turn { state, view };
                        match hook {
                            run::Hook::Connected => filter.connected(&mut turn),
                            run::Hook::Secured => filter.secured(&mut turn),
                            run::Hook::First => filter.first(&mut turn),
                            run::Hook::More => filter.more(&mut turn),
                            run::Hook::Resumed(waited) => filter.resumed(&mut turn, waited),
                        }
                    })*
                    // States are made of the filters, one of each.
                    #[allow(unreachable_patterns)]
                    _ => Step::Continue,
                }
            }
        }
    };
}

pub(super) use network_filters;
