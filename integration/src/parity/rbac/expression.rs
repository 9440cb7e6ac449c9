//! Random CEL expressions: mostly ones that mean something, sometimes ones whose types do not fit.

use serde_json::{Value, json};

use super::Random;
use super::request::{HEADERS, HOSTS, METHODS, PATHS, VALUES};

/// A condition.
pub fn condition(random: &mut Random) -> Value {
    truth(random, 0)
}

fn call(function: &str, args: &[Value]) -> Value {
    json!({ "call_expr": { "function": function, "args": args } })
}

fn member(target: Value, function: &str, args: &[Value]) -> Value {
    json!({ "call_expr": { "target": target, "function": function, "args": args } })
}

fn constant(kind: &str, value: impl Into<Value>) -> Value {
    json!({ "const_expr": { kind: value.into() } })
}

fn text(value: &str) -> Value {
    constant("string_value", value)
}

fn name(name: &str) -> Value {
    json!({ "ident_expr": { "name": name } })
}

fn select(operand: Value, field: &str) -> Value {
    json!({ "select_expr": { "operand": operand, "field": field } })
}

fn has(operand: Value, field: &str) -> Value {
    json!({ "select_expr": { "operand": operand, "field": field, "test_only": true } })
}

fn truth(random: &mut Random, depth: usize) -> Value {
    if depth > 3 {
        return leaf(random, depth);
    }
    match random.below(9) {
        0 => call("!_", &[truth(random, depth + 1)]),
        1 | 2 => call("_&&_", &[truth(random, depth + 1), truth(random, depth + 1)]),
        3 | 4 => call("_||_", &[truth(random, depth + 1), truth(random, depth + 1)]),
        5 => call("_?_:_", &[truth(random, depth + 1), truth(random, depth + 1), truth(random, depth + 1)]),
        _ => leaf(random, depth),
    }
}

fn leaf(random: &mut Random, depth: usize) -> Value {
    let compare = ["_==_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"];
    match random.below(14) {
        0 => constant("bool_value", random.one_in(2)),
        1 => select(name("connection"), "mtls"),
        2 => has(name("request"), random.pick(&["path", "referer", "headers", "useragent", "nonsense"])),
        3 => has(select(name("request"), "headers"), random.pick(&["x", "referer", "host"])),
        4 => call("@in", &[text(random.pick(HEADERS)), select(name("request"), "headers")]),
        5 => {
            let list: Vec<_> = (0..3).map(|_| text(random.pick(VALUES))).collect();
            call("@in", &[string(random, depth), json!({ "list_expr": { "elements": list } })])
        }
        6 | 7 => {
            let function = random.pick(&["contains", "startsWith", "endsWith"]);
            let part = text(random.pick(&["a", "/a", "spiffe", "1", ""]));
            match random.one_in(3) {
                true => call(function, &[string(random, depth), part]),
                false => member(string(random, depth), function, &[part]),
            }
        }
        8 => member(
            string(random, depth),
            "matches",
            &[text(random.pick(&["a", "^/a", "[0-9]+$", "^spiffe://.*/sa/one$", "x|y"]))],
        ),
        9 | 10 => call(random.pick(&compare), &[string(random, depth), string(random, depth)]),
        11 | 12 => call(random.pick(&compare), &[number(random, depth), number(random, depth)]),
        _ => call(random.pick(&compare), &[any(random, depth), any(random, depth)]),
    }
}

fn string(random: &mut Random, depth: usize) -> Value {
    if depth < 3 && random.one_in(12) {
        return call("_?_:_", &[truth(random, depth + 1), string(random, depth + 1), string(random, depth + 1)]);
    }
    match random.below(12) {
        0 | 1 => text(random.pick(VALUES)),
        2 => text(random.pick(PATHS)),
        3 => text(random.pick(&[METHODS, HOSTS].concat())),
        4 | 5 => {
            let names = [
                "path",
                "url_path",
                "host",
                "method",
                "scheme",
                "referer",
                "useragent",
                "query",
                "protocol",
                "nonsense",
            ];
            select(name("request"), random.pick(&names))
        }
        6 | 7 => call(
            "_[_]",
            &[select(name("request"), "headers"), text(random.pick(&["x-a", "x-b", "X-C", ":path", "host", "none"]))],
        ),
        8 => {
            let names = [
                "requested_server_name",
                "tls_version",
                "uri_san_peer_certificate",
                "dns_san_peer_certificate",
                "subject_peer_certificate",
                "uri_san_local_certificate",
                "subject_local_certificate",
            ];
            select(name("connection"), random.pick(&names))
        }
        9 => metadata(random),
        10 => select(name("xds"), random.pick(&["route_name", "filter_chain_name"])),
        _ => call("_[_]", &[name("filter_state"), text("state")]),
    }
}

fn metadata(random: &mut Random) -> Value {
    let all = match random.one_in(3) {
        true => select(select(name("xds"), "route_metadata"), "filter_metadata"),
        false => select(name("metadata"), "filter_metadata"),
    };
    let of = call("_[_]", &[all, text(random.pick(&["set", "of.route", "nobody"]))]);
    match random.below(4) {
        0 => select(select(of, "deep"), "text"),
        1 => call("_[_]", &[of, text(random.pick(&["text", "none"]))]),
        2 => call("_[_]", &[select(of, "list"), constant("int64_value", random.pick(&["0", "1", "7"]))]),
        _ => select(of, random.pick(&["text", "number", "truth", "nothing"])),
    }
}

fn number(random: &mut Random, depth: usize) -> Value {
    if depth < 3 && random.one_in(4) {
        let function = random.pick(&["_+_", "_-_", "_*_", "_/_", "_%_"]);
        return call(function, &[number(random, depth + 1), number(random, depth + 1)]);
    }
    match random.below(11) {
        0 | 1 => constant("int64_value", random.pick(&["0", "1", "80", "-3", "9223372036854775807"])),
        2 => constant("uint64_value", random.pick(&["0", "1", "80"])),
        3 => constant("double_value", random.pick(&[0.0, 1.0, 1.5, 80.0])),
        4 => select(name("destination"), "port"),
        5 => call("size", &[string(random, depth)]),
        6 => member(string(random, depth), "size", &[]),
        7 => call(random.pick(&["int", "uint", "double"]), &[any(random, depth)]),
        8 => select(name("request"), random.pick(&["size", "nonsense"])),
        9 => metadata(random),
        _ => call("-_", &[constant("int64_value", "3")]),
    }
}

fn any(random: &mut Random, depth: usize) -> Value {
    match random.below(10) {
        0 => constant("null_value", "NULL_VALUE"),
        1 => constant("bytes_value", "YQ=="),
        2 => call("type", &[string(random, depth)]),
        3 => name(random.pick(&["string", "int", "nonsense"])),
        4 => metadata(random),
        5 if depth < 3 => truth(random, depth + 1),
        6 => {
            let entry = |key: &str, value: Value| json!({ "map_key": text(key), "value": value });
            let map = json!({ "struct_expr": { "entries": [entry("a", text("b")), entry("c", constant("int64_value", "1"))] } });
            if random.one_in(2) { map } else { select(map, random.pick(&["a", "c", "d"])) }
        }
        7 => call("bytes", &[string(random, depth)]),
        8 => number(random, depth + 1),
        _ => string(random, depth),
    }
}
