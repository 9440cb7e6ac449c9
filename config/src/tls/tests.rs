//! What contexts become, as far as no golden shows it.

use serde_json::json;

use super::*;
use crate::options::Options;
use crate::proto::extensions::transport_sockets::tls::v3 as pb;
use crate::rejection::At;
use prost::Message as _;

fn downstream(mut context: serde_json::Value) -> DownstreamTls {
    context["@type"] = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext".into();
    let pem = json!({ "filename": "/pem" });
    context["common_tls_context"]["tls_certificates"] = json!([{ "certificate_chain": pem, "private_key": pem }]);
    let bytes = crate::dump::encode(&context).unwrap();
    let proto = pb::DownstreamTlsContext::decode(&*bytes).unwrap();
    decode::downstream(&At::root(), &proto, &Options::default()).unwrap()
}

#[test]
fn protocols_may_stand_with_commas_between() {
    let of = |list: &[&str]| {
        let alpn = downstream(json!({ "common_tls_context": { "alpn_protocols": list } })).common.alpn;
        alpn.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of(&["h2,http/1.1"]), ["h2", "http/1.1"]);
    assert_eq!(of(&["h2", "http/1.1,istio"]), ["h2", "http/1.1", "istio"]);
    assert_eq!(of(&["h2,,", ""]), ["h2"]);
    assert_eq!(of(&[", h2"]), [" h2"], "white space is part of a name");
}

#[test]
fn each_setting_of_resumption_is_read_by_itself() {
    let plain = downstream(json!({}));
    assert!(matches!(plain.tickets, SessionTickets::OwnKeys) && !plain.disable_stateful_resumption);
    assert_eq!(plain.session_timeout, None);
    let off = downstream(json!({ "disable_stateless_session_resumption": true, "session_timeout": "0s" }));
    assert!(matches!(off.tickets, SessionTickets::Off) && !off.disable_stateful_resumption);
    assert_eq!(off.session_timeout, None, "zero is the default");
    let stateful = json!({ "disable_stateful_session_resumption": true, "session_timeout": "90.5s" });
    let stateful = downstream(stateful);
    assert!(matches!(stateful.tickets, SessionTickets::OwnKeys) && stateful.disable_stateful_resumption);
    assert_eq!(stateful.session_timeout, Some(Duration::from_millis(90_500)));
    let keys = json!({ "session_ticket_keys": { "keys": [{ "filename": "/one" }, { "inline_string": "two" }] } });
    let SessionTickets::Keys(SecretSource::Inline(keys)) = downstream(keys).tickets else { panic!("keys are given") };
    assert_eq!(keys.sources().count(), 2);
    let named = json!({ "session_ticket_keys_sds_secret_config": { "name": "tickets" } });
    let SessionTickets::Keys(SecretSource::Sds(name)) = downstream(named).tickets else { panic!("keys are named") };
    assert_eq!((&*name.name, name.source), ("tickets", SdsSource::Static));
}
