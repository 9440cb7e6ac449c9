//! Name constraints, and the names and pins that a context demands.

use super::*;

pub(super) fn add(table: &mut Table) {
    constrained(table);
    demanded(table);
}

fn constrained(table: &mut Table) {
    let names = || {
        vec![
            dns("peer.example"),
            uri("spiffe://mesh.example/peer"),
            der::email("peer@mail.example"),
            der::ip(&[10, 0, 0, 1]),
            der::directory("inside"),
        ]
    };
    let wide = |leaf: &mut Text| replace(leaf, NAMES, Some(sans(&names())));
    let cases: Vec<(&str, Vec<Der>, Vec<Der>)> = vec![
        ("permitted host", vec![dns("peer.example")], vec![]),
        ("permitted domain", vec![dns("example")], vec![]),
        ("permitted domain with a dot", vec![dns(".example")], vec![]),
        ("permitted empty domain", vec![dns("")], vec![]),
        ("other domain permitted", vec![dns("other")], vec![]),
        ("domain that ends alike", vec![dns("ample")], vec![]),
        ("excluded domain", vec![], vec![dns("example")]),
        ("excluded other domain", vec![], vec![dns("other")]),
        ("permitted and excluded", vec![dns("example")], vec![dns("peer.example")]),
        ("permitted URI", vec![uri("mesh.example")], vec![]),
        ("permitted URI domain", vec![uri(".example")], vec![]),
        ("other URI permitted", vec![uri("other.example")], vec![]),
        ("excluded URI", vec![], vec![uri("mesh.example")]),
        ("permitted email", vec![der::email("peer@mail.example")], vec![]),
        ("permitted mail host", vec![der::email("mail.example")], vec![]),
        ("other email permitted", vec![der::email("other@mail.example")], vec![]),
        ("excluded email", vec![], vec![der::email("mail.example")]),
        ("permitted address", vec![der::ip(&[10, 0, 0, 0, 255, 0, 0, 0])], vec![]),
        ("other address permitted", vec![der::ip(&[11, 0, 0, 0, 255, 0, 0, 0])], vec![]),
        ("excluded address", vec![], vec![der::ip(&[10, 0, 0, 0, 255, 0, 0, 0])]),
        ("excluded other address", vec![], vec![der::ip(&[11, 0, 0, 0, 255, 0, 0, 0])]),
        ("permitted directory", vec![der::directory("inside")], vec![]),
        ("permitted subject", vec![der::directory("leaf")], vec![]),
        ("excluded directory", vec![], vec![der::directory("inside")]),
        ("excluded subject", vec![], vec![der::directory("leaf")]),
        ("excluded other directory", vec![], vec![der::directory("outside")]),
        ("permitted other name", vec![der::other("1.2.3", "x")], vec![]),
        ("nothing", vec![], vec![]),
    ];
    for (name, permitted, excluded) in cases {
        let change = |middle: &mut Text| middle.extensions.push(der::name_constraints(true, &permitted, &excluded));
        table.between(&format!("constraint: {name}"), change, wide);
    }
    let only_uri = |leaf: &mut Text| replace(leaf, NAMES, Some(sans(&[uri("spiffe://mesh/peer")])));
    table.between(
        "constraint: URI without a dot",
        |middle| middle.extensions.push(der::name_constraints(true, &[uri("mesh")], &[])),
        only_uri,
    );
    table.between(
        "constraint: domain for a peer without one",
        |middle| middle.extensions.push(der::name_constraints(true, &[dns("other")], &[])),
        only_uri,
    );
    table.between(
        "constraint: not critical",
        |middle| middle.extensions.push(der::name_constraints(false, &[dns("other")], &[])),
        wide,
    );
    table.between(
        "constraint: broken",
        |middle| middle.extensions.push(extension("2.5.29.30", true, &[0x30, 9])),
        wide,
    );
    table.between(
        "constraint: minimum",
        |middle| {
            let tree = der::seq(&[&dns("example"), &tlv(0x80, &[&[1]])]);
            middle.extensions.push(extension("2.5.29.30", true, &der::seq(&[&tlv(0xa0, &[&tree])])));
        },
        wide,
    );
    let host_as_subject = |leaf: &mut Text| {
        leaf.subject = der::name("host.elsewhere");
        replace(leaf, NAMES, None);
    };
    table.between(
        "constraint: host name as subject",
        |middle| middle.extensions.push(der::name_constraints(true, &[dns("example")], &[])),
        host_as_subject,
    );
    table.leaf("constraint: on a leaf", |leaf| leaf.extensions.push(der::name_constraints(true, &[dns("other")], &[])));
}

fn demanded(table: &mut Table) {
    let names = [
        dns("peer.example"),
        dns("*.wild.example"),
        dns("part*.wild.example"),
        uri("spiffe://mesh/peer"),
        der::email("peer@mail.example"),
        der::ip(&[10, 0, 0, 1]),
        der::ip(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        der::other("1.2.3.4", "nickname"),
    ];
    let leaf = table.leaf_der(|leaf| replace(leaf, NAMES, Some(sans(&names))));
    let nameless = table.leaf_der(|leaf| replace(leaf, NAMES, None));
    let root = table.root_der.clone();
    let typed = |kind: &str, matcher: Value| json!([{"san_type": kind, "matcher": matcher}]);
    let exact = |text: &str| json!({"exact": text});
    let cases = [
        ("DNS", exact("peer.example")),
        ("DNS", exact("PEER.example")),
        ("DNS", exact("other.example")),
        ("DNS", exact("a.wild.example")),
        ("DNS", exact("a.b.wild.example")),
        ("DNS", exact("wild.example")),
        ("DNS", exact("partial.wild.example")),
        ("DNS", json!({"prefix": "*.wild"})),
        ("DNS", json!({"suffix": ".example"})),
        ("DNS", json!({"safe_regex": {"regex": "peer\\..*"}})),
        ("DNS", json!({"safe_regex": {"regex": "peer"}})),
        ("DNS", exact("spiffe://mesh/peer")),
        ("URI", exact("spiffe://mesh/peer")),
        ("URI", exact("SPIFFE://mesh/peer")),
        ("URI", json!({"exact": "SPIFFE://mesh/peer", "ignore_case": true})),
        ("URI", json!({"contains": "mesh"})),
        ("URI", exact("peer.example")),
        ("EMAIL", exact("peer@mail.example")),
        ("EMAIL", exact("other@mail.example")),
        ("IP_ADDRESS", exact("10.0.0.1")),
        ("IP_ADDRESS", exact("10.0.0.2")),
        ("IP_ADDRESS", exact("fd00::1")),
        ("IP_ADDRESS", exact("fd00:0::1")),
    ];
    for (kind, matcher) in cases {
        let context = with(roots(&[&root]), json!({"match_typed_subject_alt_names": typed(kind, matcher.clone())}));
        table.add(&format!("demanded: {kind} {matcher}"), vec![leaf.clone()], context);
    }
    for (oid, text) in [("1.2.3.4", "nickname"), ("1.2.3.5", "nickname"), ("1.2.3.4", "other")] {
        let matcher = json!([{"san_type": "OTHER_NAME", "oid": oid, "matcher": {"exact": text}}]);
        let context = with(roots(&[&root]), json!({"match_typed_subject_alt_names": matcher}));
        table.add(&format!("demanded: other name {oid} {text}"), vec![leaf.clone()], context);
    }
    let odd = table.leaf_der(|leaf| {
        replace(leaf, NAMES, Some(sans(&[uri(b"spiffe://mesh/\xff"), dns(b"\xff.example")])));
    });
    for (kind, matcher) in [
        ("URI", json!({"safe_regex": {"regex": "spiffe://mesh/."}})),
        ("URI", json!({"safe_regex": {"regex": "spiffe://mesh/..."}})),
        ("URI", exact("spiffe://mesh/\u{fffd}")),
        ("URI", json!({"prefix": "spiffe://mesh/"})),
        ("DNS", exact("\u{fffd}.example")),
        ("DNS", json!({"safe_regex": {"regex": "[^a-z]\\.example"}})),
    ] {
        let context = with(roots(&[&root]), json!({"match_typed_subject_alt_names": typed(kind, matcher.clone())}));
        table.add(&format!("demanded of names that are no Unicode: {kind} {matcher}"), vec![odd.clone()], context);
    }
    for text in
        ["peer.example", "a.wild.example", "spiffe://mesh/peer", "10.0.0.1", "peer@mail.example", "nickname", "x"]
    {
        let context = with(roots(&[&root]), json!({"match_subject_alt_names": [{"exact": text}]}));
        table.add(&format!("demanded: any kind {text}"), vec![leaf.clone()], context);
    }
    let two = |typed_name: &str, any: &str| json!({"match_typed_subject_alt_names": typed("DNS", exact(typed_name)), "match_subject_alt_names": [{"exact": any}]});
    table.add(
        "demanded: both lists, the typed one fits",
        vec![leaf.clone()],
        with(roots(&[&root]), two("peer.example", "x")),
    );
    table.add(
        "demanded: both lists, the other one fits",
        vec![leaf.clone()],
        with(roots(&[&root]), two("x", "peer.example")),
    );
    let context = with(roots(&[&root]), json!({"match_typed_subject_alt_names": typed("DNS", exact("leaf"))}));
    table.add("demanded: a name that only the subject has", vec![nameless], context);
    let other = authority_text("other", "other").sign(&table.other, &table.other);
    for (name, bundle, text) in [("unknown root", &other, "peer.example"), ("wrong name", &root, "x")] {
        let more = json!({
            "trust_chain_verification": "ACCEPT_UNTRUSTED",
            "match_typed_subject_alt_names": typed("DNS", exact(text)),
        });
        table.add(&format!("untrusted accepted: {name}"), vec![leaf.clone()], with(roots(&[bundle]), more));
    }
    let hash = sha256(&leaf);
    let spki = sha256(&public_key_info(&table.leaf));
    let wrong = [7; 32];
    for (name, certificate, key) in [
        ("its certificate", Some(hash), None),
        ("another certificate", Some(wrong), None),
        ("its key", None, Some(spki)),
        ("another key", None, Some(wrong)),
        ("another certificate, its key", Some(wrong), Some(spki)),
    ] {
        let mut more = json!({});
        if let Some(pin) = certificate {
            more["verify_certificate_hash"] = json!([hex(&pin)]);
        }
        if let Some(pin) = key {
            more["verify_certificate_spki"] = json!([base64(&pin)]);
        }
        table.add(&format!("pinned: {name}"), vec![leaf.clone()], with(roots(&[&root]), more.clone()));
        table.add(&format!("pinned without roots: {name}"), vec![leaf.clone()], more);
    }
}
