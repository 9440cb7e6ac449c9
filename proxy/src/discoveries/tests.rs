//! Tests of `discoveries`: what a name is for a chain, and that chains change together or not at all.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use config::At;
use serde_json::{Value, json};

use super::*;
use crate::stats::StatsSettings;

const CSRF: &str = "envoy.extensions.filters.http.csrf.v3.CsrfPolicy";
const WEB: &str = "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb";

fn typed(type_name: &str) -> Typed<HttpFilterConfig> {
    judging(type_name, json!({}))
}

fn judging(type_name: &str, config: Value) -> Typed<HttpFilterConfig> {
    let config = policy(type_name, config);
    Typed { type_name: type_name.into(), config: HttpFilterConfig::Inert(type_name.into()), policy: config.into() }
}

/// Of what would be discovered.
fn policy(type_name: &str, mut config: Value) -> Policy {
    config["@type"] = json!(format!("type.googleapis.com/{type_name}"));
    let url = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
    let resource = json!({"@type": url, "name": "n", "typed_config": config});
    // What nobody knows has none.
    config::dump::encode(&resource).map_or_else(|_| Policy::default(), |bytes| Policy::of_extension_config(&bytes))
}

fn discovery(types: &[&str], default: Option<&str>) -> Discovery<HttpFilterConfig> {
    Discovery {
        type_names: types.iter().map(|name| (*name).into()).collect(),
        default: default.map(typed),
        without_warming: false,
        initial_fetch_timeout: None,
    }
}

fn discoveries() -> Discoveries {
    Discoveries::new(Stats::new(StatsSettings::default()))
}

fn becomes(discoveries: &Discoveries, state: State<HttpFilterConfig>) -> Result<(), Rejection> {
    discoveries.change(&"n".into(), Change { http: Some(state), ..Change::default() })
}

fn is(discoveries: &Discoveries, discovery: &Discovery<HttpFilterConfig>) -> Option<String> {
    discoveries.http(Kind::Http, "n", discovery).typed(discovery).map(|typed| typed.type_name.to_string())
}

#[test]
fn a_name_is_what_came_if_the_chain_allows_it_and_else_its_default() {
    let known = discoveries();
    let (plain, with_default) = (discovery(&[WEB], None), discovery(&[WEB], Some(WEB)));
    assert_eq!((is(&known, &plain), is(&known, &with_default)), (None, Some(WEB.into())));
    assert!(!known.is_settled(&(Kind::Http, "n".into())));
    becomes(&known, State::Is(typed(WEB))).unwrap();
    assert_eq!(is(&known, &plain), Some(WEB.into()));
    assert!(known.is_settled(&(Kind::Http, "n".into())) && !known.is_settled(&(Kind::Network, "n".into())));
    let other = discovery(&["other"], Some("other"));
    assert_eq!(is(&known, &other), Some("other".into()));
    known.count_conflict(&Wanted::new(Kind::Http, &"n".into(), &other));
    known.count_conflict(&Wanted::new(Kind::Http, &"n".into(), &plain));
    assert_eq!(known.stats.value("extension_config_discovery.http_filter.n.config_conflict"), Some(1));
    becomes(&known, State::Absent).unwrap();
    assert_eq!((is(&known, &plain), is(&known, &with_default)), (None, Some(WEB.into())));
}

#[test]
fn a_default_does_not_stand_in_for_policy_that_it_lacks() {
    let known = discoveries();
    let (harmless, guarded) = (discovery(&[WEB, CSRF], Some(WEB)), discovery(&[CSRF], Some(CSRF)));
    let refused = |wholly| State::Refused(Withheld { policy: policy(CSRF, json!({})), wholly });
    becomes(&known, refused(false)).unwrap();
    assert_eq!((is(&known, &harmless), is(&known, &guarded)), (None, Some(CSRF.into())));
    becomes(&known, refused(true)).unwrap();
    assert_eq!((is(&known, &harmless), is(&known, &guarded)), (None, None));
    becomes(&known, State::Refused(Withheld { policy: policy(WEB, json!({})), wholly: false })).unwrap();
    assert_eq!(is(&known, &harmless), Some(WEB.into()));
    // The same of policy that came and is not allowed here.
    becomes(&known, State::Is(typed(CSRF))).unwrap();
    assert_eq!(is(&known, &discovery(&[WEB], Some(WEB))), None);
}

#[test]
fn a_default_of_the_same_kind_stands_in_if_it_judges_as_much() {
    let known = discoveries();
    let share = |numerator: u32| json!({"filter_enabled": {"default_value": {"numerator": numerator}}});
    let default = |numerator| Discovery { default: Some(judging(CSRF, share(numerator))), ..discovery(&[CSRF], None) };
    let refused = |numerator| Withheld { policy: policy(CSRF, share(numerator)), wholly: false };
    becomes(&known, State::Refused(refused(100))).unwrap();
    assert_eq!([0, 50, 100].map(|share| is(&known, &default(share))), [None, None, Some(CSRF.into())]);
    becomes(&known, State::Refused(refused(50))).unwrap();
    assert_eq!([0, 50, 100].map(|share| is(&known, &default(share)).is_some()), [false, true, true]);
}

/// Counts how often it was swapped; refuses what it is told to.
struct Fake {
    swapped: Arc<AtomicUsize>,
    refuses: AtomicBool,
}

impl Chain for Fake {
    fn rebuild(self: Arc<Self>, key: &Key, _: &Discoveries) -> Result<Option<Swap>, Rejection> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(At::root().field("typed_config").reject("no"));
        }
        let swapped = self.swapped.clone();
        Ok((key.0 == Kind::Http).then(|| {
            Box::new(move || {
                swapped.fetch_add(1, Ordering::Relaxed);
            }) as Swap
        }))
    }
}

#[test]
fn all_chains_take_a_config_or_none_does() {
    let known = discoveries();
    let swapped = Arc::new(AtomicUsize::new(0));
    let times = || swapped.load(Ordering::Relaxed);
    let chain = || Arc::new(Fake { swapped: swapped.clone(), refuses: AtomicBool::new(false) });
    let (one, two) = (chain(), chain());
    for chain in [&one, &two] {
        let weak = Arc::downgrade(chain);
        known.register(weak);
    }
    becomes(&known, State::Is(typed(WEB))).unwrap();
    assert_eq!(times(), 2);
    two.refuses.store(true, Ordering::Relaxed);
    assert_eq!(becomes(&known, State::Is(typed(CSRF))).unwrap_err().path, "typed_config");
    assert_eq!((times(), is(&known, &discovery(&[WEB, CSRF], None))), (2, Some(WEB.into())));
    // A chain that is gone is asked no more.
    drop(two);
    becomes(&known, State::Is(typed(CSRF))).unwrap();
    assert_eq!(times(), 3);
}
