//! What is said to the listeners of [`super`].

/// What is said to a listener, and how many spans are made of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is about.
    pub name: &'static str,
    /// To whom.
    pub listener: &'static str,
    /// Method and path.
    pub line: &'static str,
    /// Headers beside `host`.
    pub headers: Vec<(&'static str, &'static str)>,
    /// How many come of it.
    pub spans: usize,
    /// The client goes once the application has it.
    pub leaves: bool,
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// Ids that cases give.
pub(super) const IDS: [&str; 6] = [
    TRACE,
    "b7ad6b7169203331",
    "463ac35c9f6413ad48485a3953bb6124",
    "48485a3953bb6124",
    "0020000000000001",
    "0000000000000099",
];

/// All cases, in order.
pub fn all() -> Vec<Case> {
    let case = |name, listener, line, headers: &[(&'static str, &'static str)], spans| Case {
        name,
        listener,
        line,
        headers: headers.to_vec(),
        spans,
        leaves: false,
    };
    const ID: (&str, &str) = ("x-request-id", "4eb4ec58-5e8c-4a5e-9a3b-4b5b9a4b7a6c");
    const WITH: (&str, &str) = ("traceparent", PARENT);
    let internal = [("x-forwarded-for", "10.1.1.1"), ("x-envoy-force-trace", "1")];
    let several = [
        ("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124"),
        ("x-b3-spanid", "0020000000000001"),
        ("x-b3-parentspanid", "0000000000000099"),
        ("x-b3-sampled", "1"),
    ];
    let grpc = [("content-type", "application/grpc"), ("grpc-timeout", "5S")];
    let leaves = |case: Case| Case { leaves: true, ..case };
    vec![
        case("a request", "inbound", "GET /200/a?q=1", &[("user-agent", "ua")], 1),
        case("without a user agent, failed", "inbound", "GET /500", &[], 1),
        case("not found there", "inbound", "GET /404", &[], 1),
        case("with a parent", "inbound", "GET /200", &[WITH, ("tracestate", "a=1,b=2"), ("baggage", "x=y")], 1),
        case(
            "with a state in two lines",
            "inbound",
            "GET /200",
            &[WITH, ("tracestate", "a=1"), ("tracestate", "b=2")],
            1,
        ),
        case("with a parent that is not sampled", "inbound", "GET /200", &[("traceparent", UNSAMPLED)], 0),
        case("with a parent that cannot be read", "inbound", "GET /200", &[("traceparent", "garbage")], 0),
        case(
            "with a parent of another length",
            "inbound",
            "GET /200",
            &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x")],
            0,
        ),
        case(
            "with a parent that is zero",
            "inbound",
            "GET /200",
            &[("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")],
            0,
        ),
        case("with a state alone", "inbound", "GET /200", &[("tracestate", "a=1")], 1),
        case(
            "by a client's wish",
            "inbound",
            "GET /200",
            &[ID, ("x-client-trace-id", "c"), ("x-envoy-downstream-service-cluster", "dsc")],
            1,
        ),
        case("by force", "never", "GET /200", &[internal[0], internal[1], ID], 1),
        case("by force from outside", "never", "GET /200", &[("x-envoy-force-trace", "1"), ID], 0),
        case("by a client's wish though none are", "never", "GET /200", &[("x-client-trace-id", "c")], 1),
        case("not by chance, with a parent", "never", "GET /200", &[WITH, ("tracestate", "a=1")], 0),
        case("as its id says", "never", "GET /200", &[("x-request-id", "4eb4ec58-5e8c-9a5e-9a3b-4b5b9a4b7a6c")], 1),
        case("not, over all", "overall", "GET /200", &[("x-client-trace-id", "c"), ID], 0),
        case("not by its route", "inbound", "GET /200/never", &[], 0),
        case(
            "by its route's share",
            "inbound",
            "GET /200/half",
            &[("x-request-id", "00000000-5e8c-4a5e-9a3b-4b5b9a4b7a6c")],
            1,
        ),
        case(
            "outside its route's share",
            "inbound",
            "GET /200/half",
            &[("x-request-id", "0000003c-5e8c-4a5e-9a3b-4b5b9a4b7a6c")],
            0,
        ),
        case("whatever its id", "unpacked", "GET /200", &[ID], 1),
        case("with an id that is none", "inbound", "GET /200", &[("x-request-id", "mine")], 0),
        case("no route's", "inbound", "GET /nowhere", &[], 1),
        case("answered here", "inbound", "GET /direct", &[], 1),
        case("redirected", "inbound", "GET /redirect", &[], 1),
        case("of no cluster", "inbound", "GET /lost", &[], 1),
        case("of a dead cluster", "inbound", "GET /dead", &[], 1),
        case("rewritten", "inbound", "GET /rewritten/a", &[], 1),
        case("decorated", "inbound", "GET /200/operation", &[], 1),
        case(
            "decorated by the other sidecar",
            "inbound",
            "GET /200/operation",
            &[("x-envoy-decorator-operation", "theirs")],
            1,
        ),
        case("decorated for itself", "inbound", "GET /200/alone", &[], 1),
        case("tried again", "inbound", "GET /once/inbound", &[], 1),
        case("gRPC's error", "inbound", "POST /grpc/13", &grpc, 1),
        case("gRPC's no", "inbound", "POST /grpc/5", &grpc, 1),
        case("too late", "inbound", "GET /never/soon", &[], 1),
        leaves(case("left", "inbound", "GET /never/left", &[], 1)),
        case("outbound", "outbound", "GET /200", &[WITH], 1),
        case("outbound, not found there", "outbound", "GET /404", &[], 1),
        case("outbound, decorated", "outbound", "GET /200/operation", &[], 1),
        case("outbound, decorated for itself", "outbound", "GET /200/alone", &[], 1),
        case("outbound, decorated by the other sidecar", "outbound", "GET /decorated", &[], 1),
        case("outbound, by its route's operation", "outbound", "GET /200/named", &[], 1),
        case("outbound, gRPC's no", "outbound", "POST /grpc/5", &grpc, 1),
        case("by the manager's operation", "named", "GET /200/x", &[], 2),
        case("by the manager's operation, decorated", "named", "GET /200/operation", &[], 2),
        case("by the route's operation in place of the manager's", "named", "GET /200/named", &[], 2),
        case("attempts", "verbose", "GET /200/a/long/path?q=1", &[("x-header", "H")], 2),
        case("attempts and tags of the route", "verbose", "GET /200/tags", &[], 2),
        case("attempts, one again", "verbose", "GET /once/verbose", &[], 3),
        case("attempts, all failed", "verbose", "GET /503", &[], 3),
        case("attempts of a dead cluster", "verbose", "GET /dead", &[], 3),
        case("attempts that are late", "verbose", "GET /never/try", &[], 3),
        case("attempts when all is late", "verbose", "GET /never/soon", &[], 2),
        case("attempts that are answered here", "verbose", "GET /direct", &[], 1),
        case("attempts of gRPC", "verbose", "POST /grpc/13", &grpc, 2),
        leaves(case("attempts of a client that leaves", "verbose", "GET /never/left", &[], 2)),
        case("attempts, sent elsewhere", "named", "GET /away", &[], 2),
        case("over gRPC", "grpc", "GET /200", &[WITH], 1),
        case("nobody is told", "quiet", "GET /200", &[WITH], 1),
        case("the collector hangs", "hung", "GET /200", &[WITH], 0),
        case("nobody asks", "nobody", "GET /200", &[WITH], 0),
        case("always, says the sampler", "always", "GET /200", &[("traceparent", UNSAMPLED), ("tracestate", "a=1")], 2),
        case("always, says the sampler of attempts", "attempts", "GET /200", &[WITH], 1),
        case("half, says the sampler: not this", "half", "GET /200", &[WITH], 0),
        case(
            "half, says the sampler: this",
            "half",
            "GET /200",
            &[("traceparent", "00-00000000000000010000000000000001-b7ad6b7169203331-00")],
            2,
        ),
        case("as the parent says", "parent", "GET /200", &[WITH], 2),
        case("as the parent says: not", "parent", "GET /200", &[("traceparent", UNSAMPLED)], 0),
        case("no parent says", "parent", "GET /200", &[], 0),
        case("B3", "b3", "GET /200", &[], 1),
        case("B3 with a parent", "b3", "GET /200", &several, 1),
        case(
            "B3 with a parent of 64 bits, which decides nothing",
            "b3",
            "GET /200",
            &[("x-b3-traceid", "48485a3953bb6124"), ("x-b3-spanid", "0020000000000001")],
            1,
        ),
        case(
            "B3 in one header",
            "b3",
            "GET /200",
            &[("b3", "463ac35c9f6413ad48485a3953bb6124-0020000000000001-1-0000000000000099")],
            1,
        ),
        case(
            "B3 in one header, not sampled",
            "b3",
            "GET /200",
            &[("b3", "463ac35c9f6413ad48485a3953bb6124-0020000000000001-0")],
            0,
        ),
        case("B3 in one header, decided alone", "b3", "GET /200", &[("b3", "1")], 1),
        case("B3 in one header, decided against", "b3", "GET /200", &[("b3", "0")], 0),
        case("B3, debug", "b3", "GET /200", &[("b3", "d")], 1),
        case("B3, decided against alone", "b3", "GET /200", &[("x-b3-sampled", "0")], 0),
        case(
            "B3 that cannot be read",
            "b3",
            "GET /200",
            &[("x-b3-traceid", "zz"), ("x-b3-spanid", "0020000000000001")],
            0,
        ),
        case(
            "B3 of which half is missing",
            "b3",
            "GET /200",
            &[("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124")],
            1,
        ),
        case("B3 beside W3C that nobody asks", "b3", "GET /500", &[WITH], 1),
        case("B3, decorated", "b3", "GET /200/operation", &[], 1),
        case("B3 outbound", "b3-out", "GET /200", &several, 1),
        case("B3 outbound, new", "b3-out", "GET /200", &[], 1),
        case("B3 as Istio has it", "b3-istio", "GET /200", &[], 1),
        case("B3 as Istio has it, with a parent", "b3-istio", "GET /200", &several, 1),
        case("B3 as Istio has it, with one of W3C", "b3-istio", "GET /200", &[WITH, ("tracestate", "a=1")], 1),
        case(
            "B3 as Istio has it, with a bad one of W3C",
            "b3-istio",
            "GET /200",
            &[("traceparent", "00-0af7651916cd43dd")],
            1,
        ),
        case(
            "B3 as Istio has it, with one of W3C that names no trace",
            "b3-istio",
            "GET /200",
            &[("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")],
            1,
        ),
        case(
            "B3 as Istio has it, with one of W3C that is not sampled",
            "b3-istio",
            "GET /200",
            &[("traceparent", UNSAMPLED)],
            0,
        ),
        case("B3 of attempts", "b3-attempts", "GET /once/b3", &several, 3),
        case("B3 of attempts that are not traced", "b3-attempts", "GET /200", &[("b3", "0")], 0),
        case("B3, split", "b3-split", "GET /200", &several, 1),
        case("B3, not by chance", "b3-never", "GET /200", &[], 0),
        case("B3, not by chance but by the caller", "b3-never", "GET /200", &several, 1),
        case("services are asked", "asked", "GET /200", &[WITH, ("tracestate", "a=1")], 4),
        case("services are asked of what is not traced", "asked", "GET /200", &[("traceparent", UNSAMPLED)], 0),
        case("the router's spans", "child", "GET /once/alone", &[WITH], 3),
        case("B3, the router's spans", "b3-child", "GET /200", &several, 2),
        case("a service says no", "refused", "GET /200", &[], 2),
        case("B3, services are asked", "b3-asked", "GET /200", &several, 4),
        case("two in a row, and one tries again", "first", "GET /once/row", &[WITH], 7),
    ]
}
