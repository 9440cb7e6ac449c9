//! Random route tables, requests for them, and tables with less in them. Used by the test in [`super`] alone. The same seed makes the same
//! table; all of them load in Envoy.

use outrigger_integration::parity::http::scenario::{Message, Request, Scenario};
use outrigger_integration::parity::rbac::Random;
use serde_json::{Value, json};

/// A route table, as a scenario has it, and who asks. The application's cluster is `$app`.
#[derive(Clone)]
pub struct Table {
    /// The scenario.
    pub config: Value,
    /// What is asked.
    pub requests: Vec<Request>,
}

const DOMAINS: [&str; 8] = ["a.test", "b.test", "*.test", "*.a.test", "a.*", "b.test:81", "*-x.test", "a.test.*"];
const HOSTS: [&str; 11] = [
    "a.test",
    "A.TEST",
    "b.test",
    "b.test:81",
    "x.test",
    "y.a.test",
    "a.org",
    "q-x.test",
    "a.test.org",
    "a.test:80",
    "other",
];
const PATHS: [&str; 18] = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/A/b",
    "/a/b/c?x=1",
    "/ab",
    "/a?x=1&y=2",
    "/a?x=",
    "/a;v=1",
    "/x/1/y",
    "/x/12",
    "/a//b",
    "/a/%62",
    "/a/b?y=abc&x=12",
    "/pkg.Svc/Call",
    "/direct/x",
    "/redirect/y?q",
];
const VALUES: [&str; 5] = ["1", "12", "abc", "a,b", "ABC"];

impl Table {
    /// Of a seed.
    pub fn random(seed: u64, requests: usize) -> Table {
        let mut random = Random::new(seed);
        let mut names = 0;
        let mut hosts = Vec::new();
        for domain in DOMAINS {
            if random.one_in(2) {
                let mut host =
                    json!({ "name": domain, "domains": [domain], "routes": routes(&mut random, &mut names) });
                mutations(&mut random, &mut host);
                if random.one_in(12) {
                    host["require_tls"] = "EXTERNAL_ONLY".into();
                }
                hosts.push(host);
            }
        }
        let mut table = json!({ "validate_clusters": false });
        mutations(&mut random, &mut table);
        table["most_specific_header_mutations_wins"] = random.one_in(2).into();
        let mut host = json!({});
        mutations(&mut random, &mut host);
        let config = json!({
            "log": "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %ROUTE_NAME% %REQ(:AUTHORITY)% %REQ(:PATH)%",
            "routes": routes(&mut random, &mut names), "host": host, "hosts": hosts, "table": table
        });
        let requests = (0..requests).map(|number| request(&mut random, number)).collect();
        Table { config, requests }
    }

    /// For the comparison of both proxies.
    pub fn scenario(&self, name: &str) -> Scenario {
        let text = self.config.to_string().replace("$app", name);
        let config = serde_json::from_str(&text).expect("a name is a name");
        let requests = self.requests.clone();
        Scenario { name: name.to_owned(), config, statistics: vec![], serves: vec![], tokens: vec![], requests }
    }

    /// With one of the requests.
    pub fn with_only(&self, request: usize) -> Table {
        Table { requests: vec![self.requests[request].clone()], config: self.config.clone() }
    }

    /// All tables that have one thing less.
    pub fn smaller(&self) -> Vec<Table> {
        let mut pointers = Vec::new();
        optional(&self.config, "", &mut pointers);
        let without = |(parent, key): &(String, String)| {
            let mut config = self.config.clone();
            match config.pointer_mut(parent)? {
                Value::Object(object) => drop(object.remove(key)?),
                Value::Array(list) => drop(list.remove(key.parse().ok()?)),
                _ => return None,
            }
            Some(Table { config, requests: self.requests.clone() })
        };
        pointers.iter().filter_map(without).collect()
    }
}

/// What may be left out, and where it stands.
fn optional(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    const OPTIONAL: [&str; 12] = [
        "headers",
        "query_parameters",
        "cookies",
        "grpc",
        "case_sensitive",
        "request_headers_to_add",
        "response_headers_to_add",
        "request_headers_to_remove",
        "response_headers_to_remove",
        "require_tls",
        "strip_query",
        "most_specific_header_mutations_wins",
    ];
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if OPTIONAL.contains(&key.as_str()) {
                    found.push((at.to_owned(), key.clone()));
                } else {
                    optional(value, &format!("{at}/{key}"), found);
                }
            }
        }
        Value::Array(list) if at.ends_with("/routes") || at.ends_with("/hosts") => {
            for (index, value) in list.iter().enumerate() {
                found.push((at.to_owned(), index.to_string()));
                optional(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn request(random: &mut Random, number: usize) -> Request {
    // Without a number chance would choose among weighted clusters.
    let mut headers = vec![("x-number".to_owned(), random.pick(&["0", "1", "2", "10", "12"]).to_owned())];
    for name in ["x-h", "x-h", "x-i", "x-gone"] {
        if random.one_in(2) {
            headers.push((name.to_owned(), random.pick(&VALUES).to_owned()));
        }
    }
    if random.one_in(3) {
        let cookie = random.pick(&["c=1", "c=12; d=1", "d=abc", "c=\"abc\"", "c="]);
        headers.push(("cookie".into(), cookie.into()));
    }
    if random.one_in(6) {
        let kind = random.pick(&["application/grpc", "application/grpc+proto", "text/plain"]);
        headers.push(("content-type".into(), kind.into()));
    }
    let host = random.pick(&HOSTS);
    let (method, path) = (random.pick(&["GET", "POST", "HEAD", "PUT"]), random.pick(&PATHS));
    let empty = Message { headers: vec![], body: vec![], trailers: vec![] };
    let http2 = random.one_in(2);
    Request {
        case: format!("{number}: {method} {host} {path} {headers:?} {}", if http2 { "http2" } else { "http1" }),
        http2,
        method: method.into(),
        host: host.into(),
        path: path.into(),
        message: Message { headers, ..empty.clone() },
        status: 200,
        answer: Message { headers: vec![("x-answered".into(), "yes".into())], ..empty },
        reset: false,
        silent: false,
        check: Value::Null,
        process: Value::Null,
        reaches: 0,
        dialogue: vec![],
        admin: [None, None],
    }
}

fn routes(random: &mut Random, names: &mut usize) -> Vec<Value> {
    (0..1 + random.below(5)).map(|_| route(random, names)).collect()
}

fn route(random: &mut Random, names: &mut usize) -> Value {
    *names += 1;
    let (mut matches, template) = path(random);
    if random.one_in(4) {
        matches["headers"] = (0..1 + random.below(2)).map(|_| header(random)).collect();
    }
    if random.one_in(6) {
        let name = random.pick(&["x", "y"]);
        matches["query_parameters"] = match random.below(3) {
            0 => json!([{ "name": name, "present_match": random.one_in(2) }]),
            _ => json!([{ "name": name, "string_match": text(random) }]),
        };
    }
    if random.one_in(8) {
        matches["cookies"] = json!([{ "name": "c", "string_match": text(random), "invert_match": random.one_in(3) }]);
    }
    if random.one_in(12) {
        matches["grpc"] = json!({});
    }
    let mut route = json!({ "name": format!("r{names}"), "match": matches });
    mutations(random, &mut route);
    match random.below(4) {
        0 => {
            let status = random.pick(&[200, 201, 302, 404, 503]);
            route["direct_response"] =
                json!({ "status": status, "body": { "inline_string": format!("body {names}") } });
        }
        1 => route["redirect"] = redirect(random, template),
        _ => route["route"] = forward(random, template),
    }
    route
}

/// What a path must be, and whether a template says so.
fn path(random: &mut Random) -> (Value, bool) {
    let mut matches = match random.below(6) {
        0 | 1 => json!({ "prefix": random.pick(&["/", "/a", "/a/", "/x/"]) }),
        2 => json!({ "path": random.pick(&["/a", "/a/b", "/x/12", "/a;v=1"]) }),
        3 => json!({ "safe_regex": { "regex": random.pick(&["/a.*", "/x/[0-9]+", "/(a|ab)", "/.*b"]) } }),
        4 => json!({ "path_separated_prefix": random.pick(&["/a", "/a/b", "/x"]) }),
        _ => {
            let template = random.pick(&["/a/*", "/x/{first}", "/{first}/{rest=**}"]);
            let kind = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig";
            let policy = json!({ "name": "envoy.path.match.uri_template.uri_template_matcher",
                "typed_config": { "@type": kind, "path_template": template } });
            return (json!({ "path_match_policy": policy }), true);
        }
    };
    if matches["safe_regex"].is_null() && random.one_in(4) {
        matches["case_sensitive"] = false.into();
    }
    (matches, false)
}

fn text(random: &mut Random) -> Value {
    let value = random.pick(&VALUES);
    match random.below(5) {
        0 => json!({ "prefix": value }),
        1 => json!({ "suffix": value }),
        2 => json!({ "contains": value, "ignore_case": random.one_in(2) }),
        3 => json!({ "safe_regex": { "regex": random.pick(&["1.*", "[a-c]+", "[0-9]*", ".*,.*"]) } }),
        _ => json!({ "exact": value, "ignore_case": random.one_in(2) }),
    }
}

fn header(random: &mut Random) -> Value {
    let mut header = match random.below(5) {
        0 => json!({ "present_match": random.one_in(2) }),
        1 => json!({ "range_match": { "start": "1", "end": random.pick(&["2", "20"]) } }),
        _ => json!({ "string_match": text(random) }),
    };
    header["name"] = random.pick(&["x-h", "x-i", ":method", "x-none"]).into();
    header["invert_match"] = random.one_in(3).into();
    header["treat_missing_header_as_empty"] = random.one_in(3).into();
    header
}

/// Changes of headers, of one level.
fn mutations(random: &mut Random, level: &mut Value) {
    for list in ["request_headers_to_add", "response_headers_to_add"] {
        if random.one_in(3) {
            level[list] = (0..1 + random.below(2)).map(|_| addition(random)).collect();
        }
    }
    if random.one_in(6) {
        level["request_headers_to_remove"] = json!([random.pick(&["x-gone", "x-i", "x-add"])]);
    }
    if random.one_in(6) {
        level["response_headers_to_remove"] = json!([random.pick(&["x-answered", "x-add"])]);
    }
}

fn addition(random: &mut Random) -> Value {
    let value = random.pick(&["one", "%REQ(x-h)%", "%REQ(:path)%", "%REQ(x-none)%", "%ROUTE_NAME%", "100%%"]);
    let action =
        random.pick(&["APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS"]);
    json!({ "header": { "key": random.pick(&["x-add", "x-h", "x-more"]), "value": value }, "append_action": action,
        "keep_empty_value": random.one_in(4) })
}

fn regex_rewrite(random: &mut Random) -> Value {
    let (regex, substitution) = random.pick(&[("/a", "/q"), ("^/([^/]*)/(.*)$", r"/\2/\1"), ("[0-9]", "n"), ("b", "")]);
    json!({ "pattern": { "regex": regex }, "substitution": substitution })
}

fn redirect(random: &mut Random, template: bool) -> Value {
    let mut redirect = json!({ "strip_query": random.one_in(4) });
    match random.below(4) {
        0 => redirect["https_redirect"] = true.into(),
        1 => redirect["scheme_redirect"] = random.pick(&["https", "http"]).into(),
        _ => {}
    }
    if random.one_in(2) {
        redirect["host_redirect"] = random.pick(&["new.test", "new.test:82"]).into();
    }
    if random.one_in(3) {
        redirect["port_redirect"] = random.pick(&[80, 443, 8080]).into();
    }
    match random.below(4) {
        0 => redirect["path_redirect"] = random.pick(&["/new", "/new?z=1"]).into(),
        1 if !template => redirect["prefix_rewrite"] = random.pick(&["/new", "/", "/new/"]).into(),
        2 => redirect["regex_rewrite"] = regex_rewrite(random),
        _ => {}
    }
    if random.one_in(2) {
        let code = ["FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT"];
        redirect["response_code"] = random.pick(&code).into();
    }
    redirect
}

fn forward(random: &mut Random, template: bool) -> Value {
    let mut action = match random.below(4) {
        0 => json!({ "weighted_clusters": { "header_name": "x-number", "clusters": [
            { "name": "$app", "weight": 2, "response_headers_to_add": [addition(random)] }, { "name": "none", "weight": 9 }] } }),
        1 => json!({ "cluster_header": random.pick(&["x-i", "x-none"]) }),
        _ => json!({ "cluster": "$app" }),
    };
    match random.below(4) {
        0 if !template => action["prefix_rewrite"] = random.pick(&["/new", "/", "/new/"]).into(),
        1 => action["regex_rewrite"] = regex_rewrite(random),
        _ => {}
    }
    match random.below(5) {
        0 => action["host_rewrite_literal"] = "new.test".into(),
        1 => action["host_rewrite_header"] = random.pick(&["x-i", "x-none"]).into(),
        2 => {
            action["host_rewrite_path_regex"] =
                json!({ "pattern": { "regex": "^/([^/]+).*$" }, "substitution": r"\1.test" });
        }
        _ => {}
    }
    action["append_x_forwarded_host"] = random.one_in(3).into();
    action
}
