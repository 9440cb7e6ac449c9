//! The validator by trust domain: which names are of a domain, who may vouch for them, and what stands beside it.

use super::*;

pub(super) fn add(table: &mut Table) {
    domains(table);
    tricks(table);
    names(table);
    uses(table);
    places(table);
    revoked(table);
    beside(table);
    maps(table);
}

const TYPE: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";

fn validator(mut config: Value) -> Value {
    config["@type"] = TYPE.into();
    json!({"custom_validator_config": {"name": "envoy.tls.cert_validator.spiffe", "typed_config": config}})
}

fn bundle(certificates: &[&Der]) -> Value {
    roots(certificates)["trusted_ca"].clone()
}

/// A PEM bundle for each domain.
fn by_domain(domains: &[(&str, &[&Der])]) -> Value {
    let domains: Vec<_> = domains.iter().map(|(name, of)| json!({"name": name, "trust_bundle": bundle(of)})).collect();
    validator(json!({"trust_domains": domains}))
}

impl Table {
    fn other_der(&self) -> Der {
        authority_text("other", "other").sign(&self.other, &self.other)
    }

    /// A peer of the root, which vouches for `mesh`, beside a stranger that vouches for `other`.
    fn svid(&mut self, name: &str, change: impl FnOnce(&mut Text)) {
        let leaf = self.leaf_der(change);
        let context = by_domain(&[("mesh", &[&self.root_der]), ("other", &[&self.other_der()])]);
        self.add(&format!("SPIFFE: {name}"), vec![leaf], context);
    }

    fn named(&mut self, name: &str, names: &[Der]) {
        self.svid(name, |leaf| replace(leaf, NAMES, Some(sans(names))));
    }
}

/// A trust domain and its roots.
type Domain<'d> = (&'d str, Vec<&'d Der>);

fn domains(table: &mut Table) {
    let (root, other) = (table.root_der.clone(), table.other_der());
    let leaf = table.leaf_der(|_| {});
    let cases: [(&str, Vec<Domain<'_>>); 9] = [
        ("its domain", vec![("mesh", vec![&root])]),
        ("its domain, another root", vec![("mesh", vec![&other])]),
        ("another domain", vec![("other", vec![&root])]),
        ("root of another domain", vec![("mesh", vec![&other]), ("other", vec![&root])]),
        ("two roots of its domain", vec![("mesh", vec![&other, &root])]),
        ("domain in capitals", vec![("MESH", vec![&root])]),
        ("domain with more", vec![("mesh.example", vec![&root])]),
        ("domain with less", vec![("mes", vec![&root])]),
        ("domain twice", vec![("mesh", vec![&other]), ("mesh", vec![&root])]),
    ];
    for (name, domains) in cases {
        let domains: Vec<_> = domains.iter().map(|(name, of)| (*name, &of[..])).collect();
        table.add(&format!("SPIFFE: {name}"), vec![leaf.clone()], by_domain(&domains));
    }
    let vouched = leaf_text("other").sign(&table.leaf, &table.other);
    let context = by_domain(&[("mesh", &[&root]), ("other", &[&other])]);
    table.add("SPIFFE: name of a domain whose root did not sign", vec![vouched.clone(), other.clone()], context);
    table.add("SPIFFE: no domains", vec![leaf.clone()], validator(json!({})));
    let empty = validator(json!({"trust_domains": [{"name": "mesh", "trust_bundle": {"inline_string": "nothing"}}]}));
    table.add("SPIFFE: bundle without certificates", vec![leaf], empty);
}

fn tricks(table: &mut Table) {
    for name in [
        "spiffe://mesh/",
        "spiffe://mesh//",
        "spiffe://mesh",
        "spiffe://mesh.evil/peer",
        "spiffe://evil.mesh/peer",
        "spiffe://meshevil/peer",
        "spiffe://mesh:443/peer",
        "spiffe://peer@mesh/peer",
        "spiffe://mesh?/peer",
        "spiffe://mesh#/peer",
        "spiffe://mesh%2f/peer",
        "spiffe://MESH/peer",
        "SPIFFE://mesh/peer",
        "spiffe:///peer",
        "spiffe:///mesh/peer",
        "spiffe:/mesh/peer",
        "https://mesh/peer",
        "mesh/peer",
        "mesh",
        "",
        " spiffe://mesh/peer",
        "spiffe://mesh /peer",
        "spiffe://mesh\\.evil/peer",
        "spiffe://evil/spiffe://mesh/peer",
        "spiffe://mesh/../other/peer",
        "spiffe://mesh/p\u{e9}er",
        "spiffe://m\u{e9}sh/peer",
    ] {
        table.named(&format!("name {name:?}"), &[uri(name)]);
    }
    table.named("name with NUL behind the domain", &[uri("spiffe://mesh\0.evil/peer")]);
    table.named("name with NUL in the path", &[uri("spiffe://mesh/peer\0.evil")]);
}

fn names(table: &mut Table) {
    let peer = || uri("spiffe://mesh/peer");
    table.named("two URI names of the domain", &[peer(), uri("spiffe://mesh/other")]);
    table.named("the same URI name twice", &[peer(), peer()]);
    table.named("URI names of two domains", &[peer(), uri("spiffe://other/peer")]);
    table.named("URI names of two domains, the stranger first", &[uri("spiffe://other/peer"), peer()]);
    table.named("two URI names, one of no domain", &[peer(), uri("https://peer.example/")]);
    table.named("two URI names, the first of no domain", &[uri("https://peer.example/"), peer()]);
    table.named("URI name behind others", &[dns("peer.example"), der::ip(&[10, 0, 0, 1]), peer()]);
    table.named("DNS name alone", &[dns("peer.example")]);
    table.named("DNS name that looks like it", &[dns("spiffe://mesh/peer")]);
    table.named("empty list of names", &[]);
    table.svid("no names", |leaf| replace(leaf, NAMES, None));
    table.svid("names twice", |leaf| leaf.extensions.push(usual_names()));
    table.svid("broken names", |leaf| replace(leaf, NAMES, Some(extension(NAMES, false, &[0x30, 5, 1]))));
    table.svid("no subject and critical names", |leaf| {
        leaf.subject = der::name("");
        replace(leaf, NAMES, Some(extension(NAMES, true, &tlv(0x30, &[&uri("spiffe://mesh/peer")]))));
    });
}

fn uses(table: &mut Table) {
    table.svid("expired", |leaf| leaf.until = "240101000000Z");
    table.svid("not yet valid", |leaf| leaf.from = "480101000000Z");
    table.svid("spoiled signature", |leaf| leaf.spoiled = true);
    table.svid("unknown critical extension", |leaf| leaf.extensions.push(unknown(true)));
    table.svid("an authority's certificate", |leaf| replace(leaf, BASIC, Some(constraints(true, None))));
    table.svid("no basicConstraints", |leaf| replace(leaf, BASIC, None));
    table.svid("no keyUsage", |leaf| replace(leaf, USAGE, None));
    for (name, bits) in [("keyCertSign", 0x84), ("cRLSign", 0x82), ("keyEncipherment", 0xa0)] {
        table.svid(&format!("key for {name} too"), |leaf| replace(leaf, USAGE, Some(usage(bits))));
    }
    table.svid("no extendedKeyUsage", |leaf| replace(leaf, EXTENDED, None));
    for (name, uses) in [
        ("serverAuth", [SERVER]),
        ("clientAuth", [CLIENT]),
        ("anyExtendedKeyUsage", ["2.5.29.37.0"]),
        ("codeSigning", ["1.3.6.1.5.5.7.3.3"]),
    ] {
        table.svid(&format!("extendedKeyUsage {name}"), |leaf| replace(leaf, EXTENDED, Some(extended(&uses))));
    }
}

fn places(table: &mut Table) {
    let root = table.root_der.clone();
    let (middle, below) = table.middle_der(|_| {}, |_| {});
    let leaf = table.leaf_der(|_| {});
    let cases: [(&str, Vec<Der>, Vec<&Der>); 8] = [
        ("authority between", vec![below.clone(), middle.clone()], vec![&root]),
        ("authority not sent", vec![below.clone()], vec![&root]),
        ("authority not sent and in the bundle", vec![below.clone()], vec![&root, &middle]),
        ("authority alone in the bundle", vec![below.clone(), middle.clone()], vec![&middle]),
        ("root before the authority", vec![below.clone(), root.clone(), middle.clone()], vec![&root]),
        ("leaf alone in the bundle", vec![leaf.clone()], vec![&leaf]),
        ("leaf and root in the bundle", vec![leaf.clone()], vec![&leaf, &root]),
        ("root sent along", vec![leaf.clone(), root.clone()], vec![&root]),
    ];
    for (name, chain, of) in cases {
        table.add(&format!("SPIFFE: {name}"), chain, by_domain(&[("mesh", &of)]));
    }
    let alone = leaf_text("leaf").sign(&table.leaf, &table.leaf);
    table.add("SPIFFE: self-signed in the bundle", vec![alone.clone()], by_domain(&[("mesh", &[&alone])]));
    for (name, change) in [
        ("expired root", &(|text: &mut Text| text.until = "240101000000Z") as &dyn Fn(&mut Text)),
        ("root that is no authority", &|text| replace(text, BASIC, Some(constraints(false, None)))),
        ("root of version 1", &|text| {
            text.version = None;
            text.extensions.clear();
        }),
        ("root without keyCertSign", &|text| replace(text, USAGE, Some(usage(0x80)))),
        ("root with path length 0", &|text| replace(text, BASIC, Some(constraints(true, Some(0))))),
    ] {
        let mut text = authority_text("root", "root");
        change(&mut text);
        let changed = text.sign(&table.root, &table.root);
        table.add(&format!("SPIFFE: {name}"), vec![leaf.clone()], by_domain(&[("mesh", &[&changed])]));
    }
    let tower = table.tower(3);
    table.add("SPIFFE: 3 authorities between", tower, by_domain(&[("mesh", &[&root])]));
}

fn revoked(table: &mut Table) {
    let root = table.root_der.clone();
    let leaf = table.leaf_der(|_| {});
    let (middle, below) = table.middle_der(|_| {}, |_| {});
    let listed = |lists: &[Der]| {
        let lists: String = lists.iter().map(|list| pem("X509 CRL", list)).collect();
        let text = format!("{}{lists}", pem("CERTIFICATE", &root));
        validator(json!({"trust_domains": [{"name": "mesh", "trust_bundle": {"inline_string": text}}]}))
    };
    let list = |serials: &[u8]| List::new("root", serials).sign(&table.root);
    let cases = [
        ("list in the bundle, empty", vec![leaf.clone()], listed(&[list(&[])])),
        ("list in the bundle, of the leaf", vec![leaf.clone()], listed(&[list(&[0x11])])),
        ("list in the bundle, none of the authority's", vec![below, middle], listed(&[list(&[])])),
    ];
    for (name, chain, context) in cases {
        table.add(&format!("SPIFFE: {name}"), chain, context);
    }
}

fn beside(table: &mut Table) {
    let (root, other) = (table.root_der.clone(), table.other_der());
    let leaf = table.leaf_der(|_| {});
    let expired = table.leaf_der(|leaf| leaf.until = "240101000000Z");
    let typed = |kind: &str, text: &str| json!({"san_type": kind, "matcher": {"exact": text}});
    let good = by_domain(&[("mesh", &[&root])]);
    let stranger = by_domain(&[("mesh", &[&other])]);
    let revoking = lists(&[List::new("root", &[0x11]).sign(&table.root)]);
    let cases = [
        ("URI demanded", &leaf, &good, json!({"match_typed_subject_alt_names": [typed("URI", "spiffe://mesh/peer")]})),
        (
            "other URI demanded",
            &leaf,
            &good,
            json!({"match_typed_subject_alt_names": [typed("URI", "spiffe://mesh/x")]}),
        ),
        ("DNS name demanded", &leaf, &good, json!({"match_typed_subject_alt_names": [typed("DNS", "x.example")]})),
        (
            "DNS name that it has demanded, and another URI",
            &leaf,
            &good,
            json!({"match_typed_subject_alt_names": [typed("DNS", "peer.example"), typed("URI", "x")]}),
        ),
        ("name of any kind demanded", &leaf, &good, json!({"match_subject_alt_names": [{"prefix": "spiffe://mesh/"}]})),
        (
            "other name of any kind demanded",
            &leaf,
            &good,
            json!({"match_subject_alt_names": [{"exact": "peer.example"}]}),
        ),
        ("other roots beside", &leaf, &good, roots(&[&other])),
        ("its root beside alone", &leaf, &stranger, roots(&[&root])),
        ("list beside", &leaf, &good, revoking),
        ("other pin beside", &leaf, &good, json!({"verify_certificate_hash": ["07".repeat(32)]})),
        ("depth beside", &leaf, &good, json!({"max_verify_depth": 0})),
        ("untrusted accepted beside", &leaf, &stranger, json!({"trust_chain_verification": "ACCEPT_UNTRUSTED"})),
        ("expired allowed", &expired, &good, json!({"allow_expired_certificate": true})),
    ];
    for (name, leaf, context, more) in cases {
        table.add(&format!("SPIFFE: {name}"), vec![leaf.clone()], with(context.clone(), more));
    }
    let mut workload = good;
    workload["custom_validator_config"]["typed_config"]["trust_domains"][0]["workload_trust_domain"] = "x".into();
    table.add("SPIFFE: domain for another workload", vec![leaf], workload);
}

fn maps(table: &mut Table) {
    let (root, other) = (table.root_der.clone(), table.other_der());
    let leaf = table.leaf_der(|_| {});
    let text = |der: &Der| pem("X", der).lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let key = |der: &Der| json!({"kty": "EC", "use": "x509-svid", "x5c": [text(der)]});
    let map = |domains: Value| {
        let text = json!({"trust_domains": domains}).to_string();
        validator(json!({"trust_bundles": {"inline_string": text}}))
    };
    let token = || json!({"kty": "EC", "use": "jwt-svid", "kid": "a"});
    let tailed: Der = [&root[..], &[0]].concat();
    let cases = [
        ("its domain", map(json!({"mesh": {"keys": [key(&root)]}}))),
        ("its domain, another root", map(json!({"mesh": {"keys": [key(&other)]}}))),
        ("another domain", map(json!({"other": {"keys": [key(&root)]}}))),
        ("two domains", map(json!({"mesh": {"keys": [key(&root)]}, "other": {"keys": [key(&other)]}}))),
        ("roots of the other each", map(json!({"mesh": {"keys": [key(&other)]}, "other": {"keys": [key(&root)]}}))),
        ("two keys", map(json!({"mesh": {"keys": [key(&other), key(&root)]}}))),
        (
            "two certificates of a key",
            map(json!({"mesh": {"keys": [{"use": "x509-svid", "x5c": [text(&other), text(&root)]}]}})),
        ),
        (
            "sequence and more",
            map(json!({"mesh": {"spiffe_sequence": 1, "spiffe_refresh_hint": 5, "keys": [key(&root)]}})),
        ),
        ("key for tokens too", map(json!({"mesh": {"keys": [key(&root), token()]}}))),
        ("key of no use", map(json!({"mesh": {"keys": [{"x5c": [text(&root)]}]}}))),
        ("no keys", map(json!({"mesh": {"keys": []}}))),
        ("nothing of a domain", map(json!({"mesh": {}}))),
        ("no certificates", map(json!({"mesh": {"keys": [{"use": "x509-svid", "x5c": []}]}}))),
        ("a certificate that is none", map(json!({"mesh": {"keys": [{"use": "x509-svid", "x5c": ["AAAA"]}]}}))),
        ("no base64", map(json!({"mesh": {"keys": [{"use": "x509-svid", "x5c": ["-"]}]}}))),
        ("octets after a certificate", map(json!({"mesh": {"keys": [key(&tailed)]}}))),
        ("no domains", map(json!({}))),
        ("no JSON", validator(json!({"trust_bundles": {"inline_string": "mesh"}}))),
        ("list", validator(json!({"trust_bundles": {"inline_string": "[]"}}))),
        ("nothing", validator(json!({"trust_bundles": {"inline_string": ""}}))),
    ];
    for (name, context) in cases {
        table.add(&format!("SPIFFE map: {name}"), vec![leaf.clone()], context);
    }
    let text = json!({"trust_domains": {"mesh": {"keys": [key(&root)]}}}).to_string();
    let both = json!({
        "trust_bundles": {"inline_string": text},
        "trust_domains": [{"name": "mesh", "trust_bundle": bundle(&[&other])}],
    });
    table.add("SPIFFE map: before the domains", vec![leaf], validator(both));
}
