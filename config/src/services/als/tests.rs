//! Tests of `als`.

use envoy_types::pb::envoy::service::accesslog::v3::{StreamAccessLogsMessage, stream_access_logs_message::LogEntries};

use super::*;

fn read(identity: Option<(&[u8], &str)>, http: bool, entries: Vec<Vec<u8>>) -> StreamAccessLogsMessage {
    let mut out = vec![7];
    message(identity, http, entries, &mut out);
    StreamAccessLogsMessage::decode(&out[1..]).unwrap()
}

#[test]
fn a_stream_begins_with_who_says_it() {
    let node = core::Node { id: "n".into(), ..core::Node::default() }.encode_to_vec();
    let entry = Entry { route: "r".into(), ..Entry::default() };
    let first = read(Some((&node, "log")), true, vec![entry.clone().of_request(Http::default()), Vec::new()]);
    let identifier = first.identifier.unwrap();
    assert_eq!((identifier.node.unwrap().id.as_str(), identifier.log_name.as_str()), ("n", "log"));
    let Some(LogEntries::HttpLogs(logs)) = first.log_entries else { panic!("they tell of requests") };
    let common = logs.log_entry[0].common_properties.as_ref().unwrap();
    assert_eq!((logs.log_entry.len(), common.route_name.as_str()), (2, "r"));

    let next = read(None, false, vec![entry.of_connection(3, 4)]);
    let Some(LogEntries::TcpLogs(logs)) = next.log_entries else { panic!("they tell of connections") };
    assert!(next.identifier.is_none());
    let octets = logs.log_entry[0].connection_properties.unwrap();
    assert_eq!((octets.received_bytes, octets.sent_bytes), (3, 4));
}

#[test]
fn each_flag_has_its_field() {
    let all = [
        "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX", "SI",
        "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DR",
    ];
    let mut seen: Vec<pb::ResponseFlags> = Vec::new();
    for flag in all {
        let message = flags::message(&[flag]).unwrap_or_else(|| panic!("{flag}"));
        assert!(!seen.contains(&message), "{flag}");
        seen.push(message);
    }
    assert_eq!((flags::message(&[]), flags::message(&["DO"])), (None, None));
}

#[test]
fn an_endpoint_is_an_address_or_a_path() {
    let of = |host: &str| {
        let entry = Entry { upstream_host: host.into(), upstream_cluster: "c".into(), ..Entry::default() };
        let common = entry.common();
        (common.upstream_remote_address.and_then(|at| at.address), common.upstream_cluster)
    };
    let (Some(address::Address::SocketAddress(socket)), cluster) = of("[::1]:80") else { panic!("it is one") };
    assert_eq!((socket.address.as_str(), cluster.as_str()), ("::1", "c"));
    assert!(matches!(of("/run/x").0, Some(address::Address::Pipe(pipe)) if pipe.path == "/run/x"));
    assert_eq!(of(""), (None, String::new()));
}
