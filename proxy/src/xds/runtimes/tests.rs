//! Tests of `runtimes`: what a response does, and how long the start waits.

use bytes::Bytes;
use config::bootstrap::{Layer, LayerSource};
use config::runtime::Runtime;
use serde_json::{Value, json};
use xds_client::{Resource, UpdateId};

use super::*;
use crate::stats::StatsSettings;

struct Bench {
    runtimes: Runtimes,
    runtime: Arc<Runtime>,
    stats: Arc<Stats>,
}

impl Bench {
    fn new(timeout: Option<Duration>) -> Bench {
        let rtds = RtdsLayer { name: "resource".into(), server: None, initial_fetch_timeout: timeout };
        let layer = Layer { name: "layer".into(), source: LayerSource::Rtds(rtds) };
        let (runtime, stats) = (Arc::<Runtime>::default(), Stats::new(StatsSettings::default()));
        let layers = Layers::new(&[layer], &"".into(), &runtime, &stats, |_| ());
        let runtimes = Runtimes::new(layers, &stats, |_| Err("no server".into())).unwrap();
        Bench { runtimes, runtime, stats }
    }

    fn push(&mut self, layers: &[(&str, Value)], removed: &[&str]) -> Verdict {
        let resource = |(name, layer): &(&str, Value)| {
            let runtime = json!({ "@type": "type.googleapis.com/envoy.service.runtime.v3.Runtime", "name": name, "layer": layer });
            let body = Bytes::from(config::dump::encode(&runtime).unwrap());
            Resource { name: (*name).to_owned(), version: String::new(), body }
        };
        let type_url: Arc<str> = type_url::RUNTIME.into();
        self.runtimes.update(&Update {
            id: UpdateId::new(type_url.clone(), 1),
            type_url,
            delta: true,
            version: "7".into(),
            resources: layers.iter().map(resource).collect(),
            refused: Vec::new(),
            removed: removed.iter().map(|name| (*name).to_owned()).collect(),
        })
    }

    fn awaited(&mut self) -> Option<Duration> {
        self.runtimes.give_up_waiting();
        self.runtimes.next_timeout()
    }

    fn stat(&self, name: &str) -> u64 {
        self.stats.value(&format!("runtime.{name}")).unwrap_or_default()
    }
}

#[test]
fn a_layer_comes_changes_and_goes() {
    let mut bench = Bench::new(None);
    assert!(bench.awaited().is_some(), "the start waits, for ever");
    assert_eq!(bench.push(&[("resource", json!({ "a": { "b": 5 } }))], &[]), Ok(()));
    assert_eq!((bench.runtime.get::<u64>("a.b"), bench.awaited()), (Some(5), None));
    let refused = bench.push(&[("resource", json!({ "a": [1] }))], &[]).unwrap_err();
    assert!(refused[0].reason.contains("Invalid runtime entry value"), "{refused:?}");
    assert_eq!(bench.runtime.get::<u64>("a.b"), Some(5), "the one before stays");
    assert_eq!(bench.push(&[], &["resource"]), Ok(()));
    assert_eq!(bench.runtime.get::<u64>("a.b"), None);
    assert_eq!((bench.stat("update_success"), bench.stat("update_rejected"), bench.stat("num_layers")), (2, 1, 1));
}

#[test]
fn one_that_is_refused_is_not_waited_for() {
    let mut bench = Bench::new(Some(Duration::from_secs(60)));
    assert!(bench.awaited().is_some_and(|left| left > Duration::from_secs(1)));
    assert!(bench.push(&[("resource", json!({ "a": null }))], &[]).is_err());
    assert_eq!(bench.awaited(), None);
}

#[test]
fn nor_one_that_does_not_come_in_time() {
    let mut bench = Bench::new(Some(Duration::ZERO));
    assert_eq!((bench.awaited(), bench.stat("init_fetch_timeout")), (None, 1));
    assert_eq!(bench.push(&[("other", json!({ "a": 1 })), ("resource", json!({ "a": 2 }))], &[]), Ok(()));
    assert_eq!(bench.runtime.get::<u64>("a"), Some(2), "it still counts when it comes");
}
