//! Tests of workload discovery.

use bytes::Bytes;
use xds_client::{Resource, UpdateId};

use super::*;
use crate::stats::StatsSettings;

fn update(resources: &[(&str, &[u8])], removed: &[&str]) -> Update {
    let type_url: Arc<str> = WORKLOAD.into();
    let resource = |(name, body): &(&str, &[u8])| Resource {
        name: (*name).to_owned(),
        version: String::new(),
        body: Bytes::copy_from_slice(body),
    };
    Update {
        id: UpdateId::new(type_url.clone(), 1),
        type_url,
        delta: true,
        version: String::new(),
        resources: resources.iter().map(resource).collect(),
        refused: Vec::new(),
        removed: removed.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Name of the workload (13) and an address (3).
fn workload(name: &str, address: [u8; 4]) -> Vec<u8> {
    let mut message = vec![0x6a, name.len() as u8];
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(&[0x1a, 4]);
    message.extend_from_slice(&address);
    message
}

#[test]
fn workloads_come_move_and_go() {
    let stats = Stats::new(StatsSettings::default());
    let mut all = Workloads::new(&stats);
    let at = |last: u8| discovered::workload([203, 0, 113, last].into()).map(|workload| workload.name.to_string());
    let (first, second) = (workload("first", [203, 0, 113, 1]), workload("second", [203, 0, 113, 2]));
    all.update(&update(&[("uid-1", &first), ("uid-2", &second)], &[])).unwrap();
    assert_eq!((at(1), at(2)), (Some("first".into()), Some("second".into())));
    all.update(&update(&[("uid-1", &workload("first", [203, 0, 113, 3]))], &["uid-2"])).unwrap();
    assert_eq!((at(1), at(2), at(3)), (None, None, Some("first".into())));
    // An address that changes hands in one response.
    all.update(&update(&[("uid-3", &workload("third", [203, 0, 113, 3]))], &["uid-1"])).unwrap();
    assert_eq!(at(3), Some("third".into()));
    // And one that changes hands in two: who goes has it no more.
    all.update(&update(&[("uid-5", &workload("fifth", [203, 0, 113, 3]))], &[])).unwrap();
    all.update(&update(&[], &["uid-3"])).unwrap();
    assert_eq!(at(3), Some("fifth".into()));
    all.update(&update(&[("uid-3", &workload("third", [203, 0, 113, 3]))], &["uid-5"])).unwrap();
    assert_eq!(at(3), Some("third".into()));
    let refused = all.update(&update(&[("uid-4", &[0xff])], &["uid-3"])).unwrap_err();
    assert_eq!((refused[0].name.as_str(), at(3)), ("uid-4", None));
}
