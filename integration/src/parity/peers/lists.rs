//! Revocation lists, and the settings that soften a check.

use super::*;

const LEAF: u8 = 0x11;

pub(super) fn add(table: &mut Table) {
    of_the_root(table);
    of_two(table);
    softened(table);
}

/// The id of an issuing distribution point.
const POINT: &str = "2.5.29.28";

fn of_the_root(table: &mut Table) {
    let root = table.root_der.clone();
    let leaf = table.leaf_der(|_| {});
    let add = |name: &str, list: List, signer: &Key, cases: &mut Vec<(String, Value)>| {
        cases.push((format!("list: {name}"), with(roots(&[&root]), lists(&[list.sign(signer)]))));
    };
    let mut cases = Vec::new();
    let good = || List::new("root", &[]);
    let revoking = || List::new("root", &[LEAF]);
    let key = &table.root;
    add("empty", good(), key, &mut cases);
    add("of others", List::new("root", &[1, 2, 3]), key, &mut cases);
    add("of the leaf", revoking(), key, &mut cases);
    add("expired", List { until: Some("240101000000Z"), ..good() }, key, &mut cases);
    add("not yet valid", List { from: "480101000000Z", ..good() }, key, &mut cases);
    add("without an end", List { until: None, ..good() }, key, &mut cases);
    add("without a number", List { extensions: vec![], ..good() }, key, &mut cases);
    add("of version 1", List { version: None, extensions: vec![], ..good() }, key, &mut cases);
    add("of version 1, of the leaf", List { version: None, extensions: vec![], ..revoking() }, key, &mut cases);
    add("of version 1 with a number", List { version: None, ..good() }, key, &mut cases);
    add("spoiled", List { spoiled: true, ..good() }, key, &mut cases);
    add("of someone else's key", good(), &table.other, &mut cases);
    add("of someone else", List::new("other", &[]), &table.other, &mut cases);
    let extended = |id: &str, critical: bool, value: &[u8], base: List| {
        let mut list = base;
        numbered(&mut list, id, critical, value);
        list
    };
    add("unknown extension", extended("1.2.3.4", false, &[5, 0], good()), key, &mut cases);
    add("unknown critical extension", extended("1.2.3.4", true, &[5, 0], good()), key, &mut cases);
    add("delta", extended("2.5.29.27", true, &[2, 1, 1], good()), key, &mut cases);
    for (name, value) in [
        ("users only", vec![0x30, 3, 0x81, 1, 0xff]),
        ("authorities only", vec![0x30, 3, 0x82, 1, 0xff]),
        ("attributes only", vec![0x30, 3, 0x85, 1, 0xff]),
        ("indirect", vec![0x30, 3, 0x84, 1, 0xff]),
        ("some reasons", vec![0x30, 4, 0x83, 2, 6, 0x40]),
        ("nothing said", vec![0x30, 0]),
        ("broken", vec![0x30, 9]),
    ] {
        add(&format!("point, {name}"), extended(POINT, true, &value, good()), key, &mut cases);
    }
    let point = der::seq(&[&tlv(0xa0, &[&tlv(0xa0, &[&uri("http://crl.example/root")])])]);
    add("point with an address", extended(POINT, true, &point, good()), key, &mut cases);
    add("point with an address, of the leaf", extended(POINT, true, &point, revoking()), key, &mut cases);
    let entry = |extensions: Vec<Der>| List { revoked: vec![(LEAF, extensions)], ..good() };
    let reason = |number: u8| extension("2.5.29.21", false, &[0x0a, 1, number]);
    add("leaf taken off", entry(vec![reason(8)]), key, &mut cases);
    add("leaf on hold", entry(vec![reason(6)]), key, &mut cases);
    add("leaf compromised", entry(vec![reason(1)]), key, &mut cases);
    add("leaf with an unknown critical reason", entry(vec![unknown(true)]), key, &mut cases);
    let other = List { revoked: vec![(0x22, vec![unknown(true)])], ..good() };
    add("other with an unknown critical reason", other, key, &mut cases);
    for (name, context) in cases {
        table.add(&name, vec![leaf.clone()], context);
    }
    let two = |name: &str, pair: [List; 2]| {
        let texts: Vec<_> = pair.iter().map(|list| list.sign(&table.root)).collect();
        let context = with(roots(&[&table.root_der]), lists(&texts));
        (name.to_owned(), context)
    };
    let pairs = [
        two("list: older one of the leaf, newer one empty", [List { from: "190101000000Z", ..revoking() }, good()]),
        two("list: newer one of the leaf, older one empty", [List { from: "190101000000Z", ..good() }, revoking()]),
        two("list: expired one and a good one", [List { until: Some("240101000000Z"), ..good() }, good()]),
    ];
    for (name, context) in pairs {
        table.add(&name, vec![leaf.clone()], context);
    }
    let bundle = format!("{}{}", pem("CERTIFICATE", &root), pem("X509 CRL", &revoking().sign(&table.root)));
    table.add(
        "list among the roots, of the leaf",
        vec![leaf.clone()],
        json!({"trusted_ca": {"inline_string": bundle}}),
    );
    let bundle = format!("{}{}", pem("CERTIFICATE", &root), pem("X509 CRL", &good().sign(&table.root)));
    table.add("list among the roots, empty", vec![leaf.clone()], json!({"trusted_ca": {"inline_string": bundle}}));
    let mut text = authority_text("root", "root");
    replace(&mut text, USAGE, Some(usage(0x04)));
    let mute = text.sign(&table.root, &table.root);
    table.add(
        "list: of a root without cRLSign",
        vec![leaf.clone()],
        with(roots(&[&mute]), lists(&[good().sign(&table.root)])),
    );
    let mut text = authority_text("root", "root");
    text.until = "240101000000Z";
    let expired = text.sign(&table.root, &table.root);
    table.add("list: of an expired root", vec![leaf], with(roots(&[&expired]), lists(&[good().sign(&table.root)])));
}

fn of_two(table: &mut Table) {
    let root = table.root_der.clone();
    let (middle, leaf) = table.middle_der(|middle| middle.serial = vec![0x33], |_| {});
    let by_root = |revoked: &[u8]| List::new("root", revoked).sign(&table.root);
    let by_middle = |revoked: &[u8]| List::new("middle", revoked).sign(&table.middle);
    let both = [by_root(&[]), by_middle(&[])];
    let cases = [
        ("both", both.to_vec()),
        ("the root's alone", vec![by_root(&[])]),
        ("the authority's alone", vec![by_middle(&[])]),
        ("both, of the authority", vec![by_root(&[0x33]), by_middle(&[])]),
        ("both, of the leaf", vec![by_root(&[]), by_middle(&[LEAF])]),
        ("the authority's alone, of the leaf", vec![by_middle(&[LEAF])]),
    ];
    let chain = vec![leaf, middle];
    let contexts: Vec<_> =
        cases.into_iter().map(|(name, texts)| (name, with(roots(&[&root]), lists(&texts)))).collect();
    for (name, context) in contexts {
        let only = with(context.clone(), json!({"only_verify_leaf_cert_crl": true}));
        table.add(&format!("lists: {name}"), chain.clone(), context);
        table.add(&format!("lists, only the leaf's count: {name}"), chain.clone(), only);
    }
}

fn softened(table: &mut Table) {
    let root = table.root_der.clone();
    let allowed = json!({"allow_expired_certificate": true});
    let expired = table.leaf_der(|leaf| leaf.until = "240101000000Z");
    table.add("expired allowed: leaf", vec![expired.clone()], with(roots(&[&root]), allowed.clone()));
    let early = table.leaf_der(|leaf| leaf.from = "480101000000Z");
    table.add("expired allowed: leaf not yet valid", vec![early], with(roots(&[&root]), allowed.clone()));
    let broken = table.leaf_der(|leaf| leaf.until = "401301000000Z");
    table.add("expired allowed: time that is none", vec![broken], with(roots(&[&root]), allowed.clone()));
    let mut text = authority_text("root", "root");
    text.until = "240101000000Z";
    let old = text.sign(&table.root, &table.root);
    let leaf = table.leaf_der(|_| {});
    table.add("expired allowed: root", vec![leaf.clone()], with(roots(&[&old]), allowed.clone()));
    let (middle, below) = table.middle_der(|middle| middle.until = "240101000000Z", |_| {});
    table.add("expired allowed: authority", vec![below, middle], with(roots(&[&root]), allowed.clone()));
    for (name, list) in [
        ("expired list", List { until: Some("240101000000Z"), ..List::new("root", &[]) }),
        ("list not yet valid", List { from: "480101000000Z", ..List::new("root", &[]) }),
        ("list of the leaf", List::new("root", &[LEAF])),
    ] {
        let context = with(with(roots(&[&root]), lists(&[list.sign(&table.root)])), allowed.clone());
        table.add(&format!("expired allowed: {name}"), vec![leaf.clone()], context);
    }
    let other = authority_text("other", "other").sign(&table.other, &table.other);
    let untrusted = json!({"trust_chain_verification": "ACCEPT_UNTRUSTED"});
    table.add(
        "untrusted accepted: unknown root, no names",
        vec![leaf.clone()],
        with(roots(&[&other]), untrusted.clone()),
    );
    table.add("untrusted accepted: expired", vec![expired], with(roots(&[&root]), untrusted.clone()));
    let mute = table.leaf_der(|leaf| replace(leaf, USAGE, Some(usage(0x20))));
    table.add("untrusted accepted: key for something else", vec![mute], with(roots(&[&root]), untrusted));
}
