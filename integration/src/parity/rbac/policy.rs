//! Random policies, as JSON of Envoy's messages, for requests and for connections. Every permission and principal that both know there
//! occurs; of header matchers the old forms as well, where one comes up.

use serde_json::{Map, Value, json};

use super::request::{HEADERS, HOSTS, METHODS, PATHS, VALUES};
use super::{Place, Random, expression};

const ADDRESSES: &[&str] = &["10.1.2.3", "fd00::1"];
/// Parts of no port: where requests come in is another in each run.
const PORTS: &[&str] = &["x80", "y44x"];
const URIS: &[&str] = &["spiffe://mesh/ns/a/sa/one"];

/// `RBAC` of the filter of requests, or of connections.
pub fn rbac(place: Place, random: &mut Random) -> Value {
    let mut rbac = Map::new();
    let tree = random.one_in(8);
    if !random.one_in(8) {
        let (key, value) = if tree { ("matcher", matcher(place, random, 0)) } else { ("rules", rules(place, random)) };
        rbac.insert(key.to_owned(), value);
    }
    if random.one_in(3) {
        let (key, value) = if random.one_in(8) {
            ("shadow_matcher", matcher(place, random, 0))
        } else {
            ("shadow_rules", rules(place, random))
        };
        rbac.insert(key.to_owned(), value);
    }
    if random.one_in(4) {
        rbac.insert("shadow_rules_stat_prefix".to_owned(), json!(random.pick(&["dry_", "dry.", "d"])));
    }
    match place {
        Place::Connections => {}
        Place::Requests => {
            if random.one_in(3) {
                rbac.insert("track_per_rule_stats".to_owned(), json!(true));
            }
            if random.one_in(4) {
                rbac.insert("rules_stat_prefix".to_owned(), json!(random.pick(&["told_", "told."])));
            }
        }
    }
    Value::Object(rbac)
}

fn rules(place: Place, random: &mut Random) -> Value {
    let count = random.pick(&[0, 1, 1, 1, 2, 2, 3, 4, 12]);
    let names = ["a", "b b", "ns[x]-policy[y]-rule[0]", "z", "0", "c", "d", "e", "f", "g", "h", "i"];
    let policies: Map<_, _> =
        names.iter().take(count).map(|name| ((*name).to_owned(), policy(place, random))).collect();
    json!({ "action": random.pick(&["ALLOW", "ALLOW", "DENY", "DENY", "LOG"]), "policies": policies })
}

fn policy(place: Place, random: &mut Random) -> Value {
    let permissions: Vec<_> = (0..random.pick(&[1, 1, 2])).map(|_| permission(place, random, 0)).collect();
    let principals: Vec<_> = (0..random.pick(&[1, 1, 2])).map(|_| principal(place, random, 0)).collect();
    let mut policy = json!({ "permissions": permissions, "principals": principals });
    if place == Place::Requests && random.one_in(3) {
        policy["condition"] = expression::condition(random);
        if random.one_in(3) {
            let on = |random: &mut Random| random.one_in(2);
            policy["cel_config"] =
                json!({ "enable_string_conversion": on(random), "enable_string_concat": on(random) });
        }
    }
    policy
}

fn permission(place: Place, random: &mut Random, depth: usize) -> Value {
    let nested = if depth < 3 { 4 } else { 0 };
    match random.below(12 + nested) {
        0 => json!({ "any": true }),
        1..=3 if place == Place::Connections => json!({ "requested_server_name": text(random, &["", "app"]) }),
        1 => json!({ "header": header(random) }),
        2 | 3 => json!({ "url_path": { "path": text(random, &plain_paths()) } }),
        4 => json!({ "destination_ip": range(random) }),
        5 => json!({ "destination_port": random.pick(&[80, 443, 8080]) }),
        6 => {
            json!({ "destination_port_range": { "start": random.pick(&[1, 80]), "end": random.pick(&[81, 444, 9000]) } })
        }
        7 => json!({ "metadata": metadata(random, "set") }),
        8 => sourced(random),
        9 => json!({ "requested_server_name": text(random, &["", "app", "app.example"]) }),
        10 => json!({ "matcher": upstream(random) }),
        11 if place == Place::Connections => json!({ "destination_ip": range(random) }),
        11 => json!({ "uri_template": { "name": "envoy.path.match.uri_template.uri_template_matcher", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
            "path_template": random.pick(&["/a/*", "/**", "/api/{version}/users", "/api/*/users/{id=*}", "/a/**", "/*/c/d"]),
        } } }),
        12 => json!({ "not_rule": permission(place, random, depth + 1) }),
        13 | 14 => {
            json!({ "and_rules": { "rules": [permission(place, random, depth + 1), permission(place, random, depth + 1)] } })
        }
        _ => {
            json!({ "or_rules": { "rules": [permission(place, random, depth + 1), permission(place, random, depth + 1)] } })
        }
    }
}

fn principal(place: Place, random: &mut Random, depth: usize) -> Value {
    let nested = if depth < 3 { 4 } else { 0 };
    match random.below(15 + nested) {
        0 | 1 => json!({ "any": true }),
        8 | 9 if place == Place::Connections => json!({ "source_ip": range(random) }),
        2 | 3 => {
            let names = [
                "spiffe://mesh/ns/a/sa/one",
                "spiffe://mesh/ns/b/sa/two",
                "two.example",
                "*.three.example",
                "CN=two",
                "CN=three",
                "",
            ];
            match random.one_in(5) {
                true => json!({ "authenticated": {} }),
                false => json!({ "authenticated": { "principal_name": text(random, &names) } }),
            }
        }
        4 => json!({ "source_ip": range(random) }),
        5 => json!({ "direct_remote_ip": range(random) }),
        6 | 7 => json!({ "remote_ip": range(random) }),
        8 => json!({ "header": header(random) }),
        9 => json!({ "url_path": { "path": text(random, &plain_paths()) } }),
        10 => json!({ "metadata": metadata(random, "set") }),
        11 => json!({ "filter_state": { "key": "state", "string_match": text(random, VALUES) } }),
        12 => json!({ "custom": mtls(random) }),
        13 => sourced(random),
        14 => {
            let mut matcher = json!({ "ranges": [range(random), range(random)] });
            if random.one_in(3) {
                matcher["invert_match"] = json!(true);
            }
            json!({ "filter_state": { "key": random.pick(&["where", "where", "state", "nothing"]), "address_match": matcher } })
        }
        15 => json!({ "not_id": principal(place, random, depth + 1) }),
        16 | 17 => {
            json!({ "and_ids": { "ids": [principal(place, random, depth + 1), principal(place, random, depth + 1)] } })
        }
        _ => json!({ "or_ids": { "ids": [principal(place, random, depth + 1), principal(place, random, depth + 1)] } }),
    }
}

fn mtls(random: &mut Random) -> Value {
    let mut config = json!({
        "@type": "type.googleapis.com/envoy.extensions.rbac.principals.mtls_authenticated.v3.Config",
        "any_validated_client_certificate": true,
    });
    match random.below(3) {
        0 => {}
        1 => {
            let names = ["spiffe://mesh/ns/a/sa/one", "spiffe://mesh/ns/b/sa/two"];
            config["san_matcher"] = json!({ "san_type": "URI", "matcher": text(random, &names) });
        }
        _ => {
            let names = ["two.example", "x.three.example"];
            config["san_matcher"] = json!({ "san_type": "DNS", "matcher": text(random, &names) });
        }
    }
    json!({ "name": "envoy.rbac.principals.mtls_authenticated", "typed_config": config })
}

fn sourced(random: &mut Random) -> Value {
    let (from, filter) = random.pick(&[("DYNAMIC", "set"), ("ROUTE", "of.route")]);
    json!({ "sourced_metadata": { "metadata_matcher": metadata(random, filter), "metadata_source": from } })
}

/// Looks at what neither has set.
fn upstream(random: &mut Random) -> Value {
    json!({ "name": "envoy.rbac.matchers.upstream_ip_port", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher",
        "upstream_ip": range(random),
    } })
}

fn plain_paths() -> Vec<&'static str> {
    PATHS.iter().map(|path| path.split('?').next().unwrap_or(path)).collect()
}

fn range(random: &mut Random) -> Value {
    let (address, length) = random.pick(&[
        ("10.1.2.3", 32),
        ("10.1.0.0", 16),
        ("10.0.0.0", 8),
        ("192.168.0.0", 24),
        ("0.0.0.0", 0),
        ("::", 0),
        ("fd00::", 16),
        ("127.0.0.1", 32),
    ]);
    json!({ "address_prefix": address, "prefix_len": length })
}

/// A `StringMatcher`, made of one of these.
pub(super) fn text(random: &mut Random, values: &[&str]) -> Value {
    let value = random.pick(values);
    let part = |value: &str, from_end: bool, random: &mut Random| {
        let letters: Vec<char> = value.chars().collect();
        let length = random.below(letters.len().max(1)) + 1;
        let part: String = match from_end {
            true => letters[letters.len().saturating_sub(length)..].iter().collect(),
            false => letters.iter().take(length).collect(),
        };
        if part.is_empty() { "a".to_owned() } else { part }
    };
    let mut matcher = match random.below(6) {
        0 | 1 => json!({ "exact": value }),
        2 => json!({ "prefix": part(value, false, random) }),
        3 => json!({ "suffix": part(value, true, random) }),
        4 => json!({ "contains": part(value, random.one_in(2), random) }),
        _ => {
            return json!({ "safe_regex": { "google_re2": {}, "regex": random.pick(&[".*", ".+", "/a.*", "[a-z/]+", ".*[0-9]", "spiffe://.*/ns/a/.*", "a|b"]) } });
        }
    };
    if random.one_in(5) {
        matcher["ignore_case"] = json!(true);
    }
    matcher
}

fn header(random: &mut Random) -> Value {
    let (name, values) = match random.below(6) {
        0 => (":path", PATHS),
        1 => (":method", METHODS),
        2 => (":authority", HOSTS),
        _ => (random.pick(HEADERS), VALUES),
    };
    let mut matcher = json!({ "name": name });
    match random.below(9) {
        0 => matcher["present_match"] = json!(random.one_in(2)),
        1 => {
            matcher["range_match"] =
                json!({ "start": random.pick(&["-5", "0", "2"]), "end": random.pick(&["2", "11", "100"]) })
        }
        2 => {
            let form = random.pick(&["exact_match", "prefix_match", "suffix_match", "contains_match"]);
            matcher[form] = json!(random.pick(values));
        }
        3 => matcher["safe_regex_match"] = json!({ "google_re2": {}, "regex": random.pick(&[".*", "a|b", "/a.*"]) }),
        _ => matcher["string_match"] = text(random, values),
    }
    if random.one_in(4) {
        matcher["invert_match"] = json!(true);
    }
    if random.one_in(5) {
        matcher["treat_missing_header_as_empty"] = json!(true);
    }
    matcher
}

fn metadata(random: &mut Random, filter: &str) -> Value {
    let path =
        random.pick(&[&["text"][..], &["number"], &["list"], &["deep", "text"], &["none"], &["truth"], &["nothing"]]);
    let path: Vec<_> = path.iter().map(|key| json!({ "key": key })).collect();
    let mut matcher =
        json!({ "filter": if random.one_in(6) { "nobody" } else { filter }, "path": path, "value": value(random, 0) });
    if random.one_in(4) {
        matcher["invert"] = json!(true);
    }
    matcher
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth < 2 { 8 } else { 6 }) {
        0 => json!({ "null_match": {} }),
        1 => json!({ "double_match": { "exact": random.pick(&[1.0, 1.5]) } }),
        2 => json!({ "double_match": { "range": { "start": 1.0, "end": random.pick(&[1.0, 1.5, 2.0]) } } }),
        3 => json!({ "bool_match": random.one_in(2) }),
        4 => json!({ "present_match": random.one_in(2) }),
        5 => json!({ "string_match": text(random, &["a", "b", "ab"]) }),
        6 => json!({ "list_match": { "one_of": value(random, depth + 1) } }),
        _ => json!({ "or_match": { "value_matchers": [value(random, depth + 1), value(random, depth + 1)] } }),
    }
}

fn matcher(place: Place, random: &mut Random, depth: usize) -> Value {
    let mut matcher = match random.below(3) {
        0 => {
            let map: Map<_, _> =
                (0..3).map(|_| ((random.pick(VALUES)).to_owned(), on_match(place, random, depth))).collect();
            let (input, values) = input(place, random);
            // A part of a port may be one that a run chooses.
            let kinds =
                if values == PORTS { &["exact_match_map"; 2] } else { &["exact_match_map", "prefix_match_map"] };
            let mut tree = json!({ "input": input });
            tree[random.pick(kinds)] = json!({ "map": map });
            json!({ "matcher_tree": tree })
        }
        _ => {
            let one = |random: &mut Random| json!({ "predicate": predicate(place, random, 0), "on_match": on_match(place, random, depth) });
            let list: Vec<_> = (0..random.below(3) + 1).map(|_| one(random)).collect();
            json!({ "matcher_list": { "matchers": list } })
        }
    };
    if random.one_in(2) {
        matcher["on_no_match"] = on_match(place, random, depth);
    }
    matcher
}

fn on_match(place: Place, random: &mut Random, depth: usize) -> Value {
    if depth < 2 && random.one_in(4) {
        return json!({ "matcher": matcher(place, random, depth + 1) });
    }
    json!({ "action": { "name": "action", "typed_config": {
        "@type": "type.googleapis.com/envoy.config.rbac.v3.Action",
        "name": random.pick(&["one", "two", "three"]),
        "action": random.pick(&["ALLOW", "DENY", "LOG"]),
    } } })
}

fn predicate(place: Place, random: &mut Random, depth: usize) -> Value {
    if depth < 2 && random.one_in(3) {
        return match random.below(3) {
            0 => json!({ "not_matcher": predicate(place, random, depth + 1) }),
            1 => {
                json!({ "or_matcher": { "predicate": [predicate(place, random, depth + 1), predicate(place, random, depth + 1)] } })
            }
            _ => {
                json!({ "and_matcher": { "predicate": [predicate(place, random, depth + 1), predicate(place, random, depth + 1)] } })
            }
        };
    }
    let (input, values) = input(place, random);
    let wanted = if values == PORTS { json!({ "exact": random.pick(PORTS) }) } else { text(random, values) };
    json!({ "single_predicate": { "input": input, "value_match": wanted } })
}

fn input(place: Place, random: &mut Random) -> (Value, &'static [&'static str]) {
    let common = |name: &str| {
        json!({ "name": "input", "typed_config": {
        "@type": format!("type.googleapis.com/envoy.extensions.matching.common_inputs.{name}") } })
    };
    match random.below(6) {
        0 => (common("network.v3.SourceIPInput"), ADDRESSES),
        1 => (common("network.v3.DestinationPortInput"), PORTS),
        2 => (common("ssl.v3.UriSanInput"), URIS),
        _ if place == Place::Connections => (common("network.v3.DirectSourceIPInput"), &["127.0.0.1"]),
        _ => {
            let header = json!({ "name": "input", "typed_config": {
                "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
                "header_name": random.pick(HEADERS) } });
            (header, VALUES)
        }
    }
}
