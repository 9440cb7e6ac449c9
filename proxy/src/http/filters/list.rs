//! Makes the closed sets out of the list of filters: [`Filter`](super::Filter) in a chain, [`Running`](super::Running) in a request,
//! [`Scope`](super::Scope) at a level, and one `match` a hook.

/// Octets that a filter's state may take: a request's future holds it.
pub(super) const STATE: usize = 24;

macro_rules! http_filters {
    (
        $($variant:ident $module:ident $($routes:ident)?;)*
    ) => {
        /// A filter that acts, compiled.
        #[derive(Debug)]
        #[allow(clippy::large_enum_variant)] // Each stands on the heap, with its place.
        pub(crate) enum Filter {
            $(#[doc = concat!("[`", stringify!($module), "`].")] $variant($module::$variant),)*
            /// Others, behind a match tree.
            Delegate(Box<delegate::Delegate>),
        }

        /// What a level tells a filter, compiled.
        pub(crate) enum Scope {
            $($(#[doc = stringify!($routes)] $variant(<$module::$variant as filter::HttpFilter>::Scoped),)?)*
            /// Another tree of a match_delegate.
            MatchDelegate(delegate::DelegateScope),
            /// Another tree of a composite filter.
            Composite(delegate::DelegateScope),
        }

        /// A filter that acts on a request.
        pub(in crate::http) enum Running<'s> {
            $($variant(Run<'s, $module::$variant>),)*
            Delegated(delegate::running::Delegated<'s>),
        }

        $(const _: () = assert!(size_of::<<$module::$variant as filter::HttpFilter>::State>() <= list::STATE);)*

        impl Filter {
            /// Compiles; `None` for those that do not act.
            fn compile(
                config: &config::filters::HttpFilterConfig,
                name: &std::sync::Arc<str>,
                deps: &filter::FilterDeps<'_>,
            ) -> Result<Option<Filter>, config::Rejection> {
                use config::filters::HttpFilterConfig as Config;
                use filter::HttpFilter as _;
                Ok(match config {
                    $(Config::$variant(config) => Some(Filter::$variant($module::$variant::compile(config, deps)?)),)*
                    Config::MatchDelegate(config) => delegate::Delegate::match_delegate(config, name, deps)?
                        .map(|delegate| Filter::Delegate(Box::new(delegate))),
                    Config::Composite(config) => {
                        Some(Filter::Delegate(Box::new(delegate::Delegate::composite(config, name, deps)?)))
                    }
                    Config::Inert(_) => None,
                })
            }

            /// The hooks that are called where routes say nothing.
            fn acts(&self) -> filter::Hooks {
                use filter::HttpFilter as _;
                match self {
                    $(Filter::$variant(filter) => filter.acts(None),)*
                    Filter::Delegate(delegate) => delegate.acts(),
                }
            }

            /// For one request; `None` if it does not act on it, and for those behind a match tree, which begin otherwise.
            fn start<'s>(&'s self, slot: &'s chain::Slot, scope: Option<&'s Scope>) -> Option<Running<'s>> {
                let _ = scope;
                match self {
                    $(Filter::$variant(filter) => {
                        Run::start(filter, slot, http_filters!(@scope scope $variant $($routes)?)).map(Running::$variant)
                    })*
                    Filter::Delegate(_) => None,
                }
            }
        }

        impl Scope {
            /// Compiles; `None` where the settings do not act.
            fn compile(
                config: &config::filters::ScopedConfig,
                name: &std::sync::Arc<str>,
                deps: &filter::FilterDeps<'_>,
            ) -> Result<Option<Scope>, config::Rejection> {
                #[allow(unused_imports)]
                use config::filters::ScopedConfig as Config;
                #[allow(unreachable_patterns)]
                Ok(match config {
                    $($(Config::$variant(config) => {
                        let _ = stringify!($routes);
                        Some(Scope::$variant(<$module::$variant as filter::HttpFilter>::scope(config, deps)?))
                    })?)*
                    Config::MatchDelegate(config) => {
                        Some(Scope::MatchDelegate(delegate::DelegateScope::match_delegate(config, name, deps)?))
                    }
                    Config::Composite(config) => {
                        Some(Scope::Composite(delegate::DelegateScope::composite(config, name, deps)?))
                    }
                    // Settings of a filter that is in the list of those that do not act.
                    _ => None,
                })
            }
        }

        impl std::fmt::Debug for Scope {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match *self {
                    $($(Scope::$variant(_) => { let _ = stringify!($routes); out.write_str(stringify!($variant)) })?)*
                    Scope::MatchDelegate(_) => out.write_str("MatchDelegate"),
                    Scope::Composite(_) => out.write_str("Composite"),
                }
            }
        }

        impl<'s> Running<'s> {
            /// The hooks that are called.
            pub fn hooks(&self) -> filter::Hooks {
                match self {
                    $(Running::$variant(run) => run.hooks,)*
                    Running::Delegated(delegated) => delegated.hooks(),
                }
            }

            /// Which entry of the chain it is.
            pub fn place(&self) -> usize {
                match self {
                    $(Running::$variant(run) => run.place(),)*
                    Running::Delegated(delegated) => delegated.slot_place(),
                }
            }

            /// The request's head.
            pub fn request(&mut self, stream: &mut Stream<'s>) -> filter::Step {
                match self {
                    $(Running::$variant(run) => run.filter.request(&mut run.turn(stream)),)*
                    Running::Delegated(delegated) => delegated.request(stream),
                }
            }

            /// The response's head.
            pub fn response(&mut self, stream: &mut Stream<'s>) -> filter::Step {
                match self {
                    $(Running::$variant(run) => run.filter.response(&mut run.turn(stream)),)*
                    Running::Delegated(delegated) => delegated.response(stream),
                }
            }

            /// A frame of a body.
            pub fn frame(&mut self, stream: &mut Stream<'s>, way: filter::Way, frame: Frame, out: &mut filter::Out<'_>) -> filter::Step {
                match self {
                    $(Running::$variant(run) => run.filter.frame(&mut run.turn(stream), way, frame, out),)*
                    Running::Delegated(delegated) => delegated.frame(stream, way, frame, out),
                }
            }

            /// What was waited for came.
            pub fn resumed(&mut self, stream: &mut Stream<'s>, way: filter::Way, waited: wait::Waited, body: &mut filter::Out<'_>) -> filter::Step {
                match self {
                    $(Running::$variant(run) => run.filter.resumed(&mut run.turn(stream), way, waited, body),)*
                    Running::Delegated(delegated) => delegated.resumed(stream, way, waited, body),
                }
            }

            /// A frame passes.
            pub fn sees(&mut self, stream: &mut Stream<'s>, way: filter::Way, frame: &Frame) {
                match self {
                    $(Running::$variant(run) => run.filter.sees(&mut run.turn(stream), way, frame),)*
                    Running::Delegated(delegated) => delegated.sees(stream, way, frame),
                }
            }

            /// The request is over.
            pub fn end(&mut self, stream: &mut Stream<'s>) {
                match self {
                    $(Running::$variant(run) => run.filter.end(&mut run.turn(stream)),)*
                    Running::Delegated(delegated) => delegated.end(stream),
                }
            }
        }
    };
    (@scope $scope:ident $variant:ident routes) => {
        $scope.and_then(|scope| {
            #[allow(irrefutable_let_patterns)]
            if let Scope::$variant(scope) = scope { Some(scope) } else { None }
        })
    };
    (@scope $scope:ident $variant:ident) => { None };
}

pub(super) use http_filters;
