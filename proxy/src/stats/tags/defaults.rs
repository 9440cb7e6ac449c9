//! The tags that Envoy takes out of names of its own accord. Read by [`super::Extraction`] alone; must be complete, for boards are built on
//! these names.

use std::borrow::Cow;

/// One of Envoy's tags.
pub(super) struct OwnTag {
    /// What it is called.
    pub tag: &'static str,
    /// A regular expression with `<WORDS>` for parts that recur, whose first group goes out of the name and whose second is the value; or
    /// tokens between dots, of which `$` is the value, `*` any, and `**` any number.
    pattern: &'static str,
    /// Names without this text are not worth a try.
    pub holds: &'static str,
    /// A value that is none.
    pub never: Option<&'static str>,
}

const fn tag(tag: &'static str, pattern: &'static str, holds: &'static str) -> OwnTag {
    OwnTag { tag, pattern, holds, never: None }
}

/// In the order in which their tags are shown.
pub(super) const DEFAULTS: &[OwnTag] = &[
    tag("envoy.response_code", r"_rq(_(\d{3}))$", "_rq_"),
    tag("envoy.response_code_class", r"_rq_((\d))xx$", "_rq_"),
    tag(
        "envoy.dynamo_partition_id",
        r"^http\.<TOKEN>\.dynamodb\.table\.<TOKEN>\.capacity\.<TOKEN>(\.__partition_id=(\w{7}))$",
        ".dynamodb.table.",
    ),
    tag(
        "envoy.dynamo_operation",
        r"^http\.<TOKEN>\.dynamodb.(?:operation|table\.<TOKEN>\.capacity)(\.(<TOKEN>))(?:\.|$)",
        ".dynamodb.",
    ),
    tag("envoy.dynamo_table", r"^http\.<TOKEN>\.dynamodb.(?:table|error)\.((<TOKEN>)\.)", ".dynamodb."),
    tag("envoy.ssl_cipher", r"^listener\..*?\.ssl\.ciphers(\.(<CIPHER>))$", ".ssl.ciphers."),
    tag("envoy.ssl_curve", r"^<OWNER>\.ssl\.curves(\.(<CIPHER>))$", ".ssl.curves."),
    tag("envoy.ssl_sigalg", r"^<OWNER>\.ssl\.sigalgs(\.(<CIPHER>))$", ".ssl.sigalgs."),
    tag("envoy.ssl_version", r"^<OWNER>\.ssl\.versions(\.(TLSv\d\.\d))$", ".ssl.versions."),
    tag("cipher_suite", r"^cluster\.<TOKEN>\.ssl\.ciphers(\.(<CIPHER>))$", ".ssl.ciphers."),
    tag("envoy.tls_certificate", r"^<OWNER>\.ssl\.certificate\.((<TOKEN>)\.).*$", ".ssl.certificate."),
    tag("envoy.http_conn_manager_prefix", r"^listener\..*?\.http\.((<TOKEN>)\.)", ".http."),
    tag(
        "envoy.worker_id",
        r"^(?:listener\.(?:<ADDRESS>|<TOKEN>)|server|listener_manager|thread_local_cluster_manager)\.worker_((\d+)\.)",
        ".worker_",
    ),
    OwnTag {
        tag: "envoy.listener_address",
        pattern: r"^listener\.((<ADDRESS>|<TOKEN>)\.)",
        holds: "",
        never: Some("admin"),
    },
    tag("envoy.rds_route_config", r"^http\.<TOKEN>\.rds\.(([\w.-]+)\.)\w+?$", ".rds."),
    tag("envoy.scoped_rds_config", r"^http\.<TOKEN>\.scoped_rds\.(([\w./-]+)\.)\w+?$", ".scoped_rds."),
    tag(
        "envoy.rbac_policy_name",
        r"^http\.<TOKEN>\.rbac\.(?:<TOKEN>\.)?policy\.((<TOKEN>)\.)(?:allowed|shadow_allowed|denied|shadow_denied)$",
        ".policy.",
    ),
    OwnTag {
        tag: "envoy.rbac_http_prefix",
        pattern: r"^http\.<TOKEN>\.rbac\.((<TOKEN>)\.)",
        holds: ".rbac.",
        never: Some("policy"),
    },
    tag("envoy.health_check_name", r"^cluster\.<TOKEN>\.health_check(\.name\.(<TOKEN>))\..+", ".health_check."),
    tag("envoy.xds_resource_name", r"^sds\.((<TOKEN>)\.).+", ""),
    OwnTag {
        tag: "envoy.proxy_protocol_prefix",
        pattern: r"^proxy_proto\.((<TOKEN>)\.).+$",
        holds: "",
        never: Some("versions"),
    },
    tag("envoy.proxy_protocol_version", r"^proxy_proto\.((?:<TOKEN>\.)?versions\.v(\d)\.)\w+$", ".v"),
    tag("envoy.mongo_callsite", "mongo.*.collection.*.callsite.$.query.**", ".collection."),
    tag("envoy.mongo_collection", "mongo.*.collection.$.**.query.*", ".collection."),
    tag("envoy.mongo_cmd", "mongo.*.cmd.$.**", ".cmd."),
    tag("envoy.grpc_bridge_method", "cluster.*.grpc.*.$.**", ".grpc."),
    tag("envoy.http_user_agent", "http.*.user_agent.$.**", ".user_agent."),
    tag("envoy.virtual_cluster", "vhost.*.vcluster.$.**", ".vcluster."),
    tag("envoy.fault_downstream_cluster", "http.*.fault.$.**", ".fault."),
    tag("envoy.grpc_bridge_service", "cluster.*.grpc.$.**", ".grpc."),
    tag("envoy.tcp_prefix", "tcp.$.**", ""),
    tag("envoy.udp_prefix", "udp.$.**", ""),
    tag("envoy.clientssl_prefix", "auth.clientssl.$.**", ""),
    tag("envoy.ratelimit_prefix", "ratelimit.$.**", ""),
    tag("envoy.cluster_name", "cluster.$.**", ""),
    tag("envoy.ext_authz_prefix", "cluster.*.ext_authz.$.**", ".ext_authz."),
    tag("envoy.ext_authz_prefix", "http.*.ext_authz.$.**", ".ext_authz."),
    tag("envoy.http_conn_manager_prefix", "http.$.**", ""),
    tag("envoy.virtual_host", "vhost.$.**", ""),
    tag("envoy.mongo_prefix", "mongo.$.**", ""),
    tag("envoy.route", "vhost.*.route.$.**", ".route."),
    tag("envoy.thrift_prefix", "thrift.$.**", ""),
    tag("envoy.redis_prefix", "redis.$.**", ""),
    tag("envoy.local_http_ratelimit_prefix", "$.http_local_rate_limit.**", ".http_local_rate_limit."),
    tag("envoy.local_network_ratelimit_prefix", "local_rate_limit.$.**", ""),
    tag("envoy.local_listener_ratelimit_prefix", "listener_local_ratelimit.$.**", ""),
    tag("envoy.dns_filter_prefix", "dns_filter.$.**", ""),
    tag("envoy.connection_limit_prefix", "connection_limit.$.**", ""),
    tag("envoy.rbac_prefix", "$.rbac.**", ".rbac."),
    tag("envoy.google_grpc_client_prefix", "grpc.$.**", ""),
];

impl OwnTag {
    /// What finds it.
    pub fn expression(&self) -> Cow<'static, str> {
        if !self.pattern.starts_with(['^', '_']) {
            return of_tokens(self.pattern).into();
        }
        if !self.pattern.contains('<') {
            return self.pattern.into();
        }
        let named = [
            ("<ADDRESS>", r"(?:(?:\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[[a-fA-F_\d]+\])_\d+)"),
            ("<CIPHER>", r"[\w-]+"),
            ("<TOKEN>", r"[^.]+"),
            ("<OWNER>", r"(?:listener|cluster)\..*?"),
        ];
        named.iter().fold(self.pattern.to_owned(), |text, (word, means)| text.replace(word, means)).into()
    }
}

/// The expression for tokens: the value goes with the dot behind it.
fn of_tokens(pattern: &str) -> String {
    let (tokens, open) = match pattern.strip_suffix(".**") {
        Some(tokens) => (tokens, true),
        None => (pattern, false),
    };
    let mut out = String::from("^");
    let mut dot = "";
    for token in tokens.split('.') {
        out.push_str(dot);
        dot = r"\.";
        match token {
            "$" => {
                out.push_str(r"(([^.]+)\.)");
                dot = "";
            }
            "*" => out.push_str("[^.]+"),
            "**" => {
                out.push_str(r"(?:[^.]*\.)*");
                dot = "";
            }
            text => out.push_str(text),
        }
    }
    out.push_str(if open { dot } else { "$" });
    out
}
