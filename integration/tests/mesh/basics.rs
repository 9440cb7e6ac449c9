//! The quickstart's own check and what stands around it: headers, identities, log lines, bound addresses, readiness.

use outrigger_integration::lab::Result;
use outrigger_integration::lab::curl::{curl, curl_with_environment};
use regex::Regex;
use serde_json::Value;

use super::world::{World, expect, expect_equal};

/// The address pattern of log lines.
const PORT: &str = "[0-9]{4,5}";

pub fn agents_report_ready_on_15021(world: &mut World) -> Result<()> {
    for workload in [&world.ratings, &world.details] {
        let url = format!("http://{}:15021/healthz/ready", workload.host.address);
        curl(&world.outsider, &[&url])?.expect_status(200)?;
    }
    Ok(())
}

pub fn five_curls(world: &mut World) -> Result<()> {
    for _ in 0..5 {
        let reply = world.curl_details("/details/0")?.expect_status(200)?;
        expect_equal("status line", reply.status_line.as_str(), "HTTP/1.1 200 OK")?;
        expect_equal("server", reply.header("server")?, "envoy")?;
        expect_equal("content-type", reply.header("content-type")?, "application/json")?;
        expect_equal("content-length", reply.header("content-length")?, "515")?;
        expect_equal("body length", reply.body.len(), 515)?;
        expect(reply.header("x-envoy-upstream-service-time")?.parse::<u64>().is_ok(), || format!("{reply:?}"))?;
        let wanted = ["content-type", "content-length", "date", "x-envoy-upstream-service-time", "server"];
        expect_equal("headers in order", reply.header_names(), wanted.to_vec())?;
    }
    Ok(())
}

pub fn app_saw_headers_and_both_identities(world: &mut World) -> Result<()> {
    world.curl_details("/headers?seen=1")?.expect_status(200)?;
    let request = seen(world, "/headers?seen=1")?;
    let headers: Vec<(&str, &str)> = headers(&request);
    let value = |name: &str| headers.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
    expect_equal("host", value("host"), "details.bookinfo:9080")?;
    expect_equal("accept", value("accept"), "*/*")?;
    expect_equal("x-forwarded-proto", value("x-forwarded-proto"), "http")?;
    expect_equal("x-envoy-attempt-count", value("x-envoy-attempt-count"), "1")?;
    expect(value("user-agent").starts_with("curl/"), || format!("user-agent in {headers:?}"))?;
    expect_matches("x-request-id", value("x-request-id"), &request_id())?;
    let identities = "By=spiffe://cluster.local/ns/bookinfo/sa/bookinfo-details;Hash=[0-9a-f]{64};Subject=\"\";\
                      URI=spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings";
    expect_matches("x-forwarded-client-cert", value("x-forwarded-client-cert"), identities)?;
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).filter(|name| !tracing_header(name)).collect();
    let wanted = [
        "host",
        "user-agent",
        "accept",
        "x-forwarded-proto",
        "x-request-id",
        "x-envoy-attempt-count",
        "x-forwarded-client-cert",
    ];
    expect_equal("all headers that the application saw, in order", names, wanted.to_vec())
}

pub fn both_access_log_lines(world: &mut World) -> Result<()> {
    let path = "/details/0?log=both";
    world.curl_details(path)?.expect_status(200)?;
    let (ratings, details) = (world.ratings.host.address, world.details.host.address);
    let time = r"\[20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\]";
    let request = format!(
        r#"{time} "GET {path} HTTP/1.1" 200 - via_upstream - "-" 0 515 [0-9]+ [0-9]+ "-" "curl/[0-9.]+" "{}" "details.bookinfo:9080""#,
        request_id()
    )
    .replace('?', r"\?");
    let outbound = format!(
        r#"{request} "{details}:9080" outbound\|9080\|\|details.bookinfo.svc.cluster.local {ratings}:{PORT} 127.0.0.2:9080 127.0.0.1:{PORT} - default"#
    );
    let inbound = format!(
        r#"{request} "127.0.0.1:9080" inbound\|9080\|\| 127.0.0.1:{PORT} {details}:9080 {ratings}:{PORT} outbound_.9080_._.details.bookinfo.svc.cluster.local default"#
    );
    expect_matches("the client's line", &world.ratings.access_line("log=both")?, &outbound)?;
    expect_matches("the server's line", &world.details.access_line("log=both")?, &inbound)
}

pub fn bound_listeners(world: &mut World) -> Result<()> {
    for workload in [&world.ratings, &world.details] {
        let mut wanted = vec![
            format!("{}:9080", workload.host.address),
            "127.0.0.2:9080".to_owned(),
            "127.0.0.2:80".to_owned(),
            "127.0.0.2:443".to_owned(),
            "127.0.0.1:15000".to_owned(),
            "0.0.0.0:15021".to_owned(),
            "0.0.0.0:15090".to_owned(),
            // The application and the agent itself.
            "127.0.0.1:9080".to_owned(),
            "*:15020".to_owned(),
        ];
        wanted.sort();
        expect_equal("what is bound", workload.host.listening()?, wanted)?;
    }
    Ok(())
}

pub fn http_proxy_variable(world: &mut World) -> Result<()> {
    let environment = [("http_proxy", "http://127.0.0.2:9080")];
    let url = "http://details.bookinfo.svc.cluster.local:9080/through-http-proxy";
    curl_with_environment(&world.ratings.host, &environment, &[url])?.expect_status(200)?;
    let request = seen(world, "/through-http-proxy")?;
    expect(headers(&request).contains(&("host", "details.bookinfo.svc.cluster.local:9080")), || request.to_string())
}

pub fn unknown_host_is_503(world: &mut World) -> Result<()> {
    let reply = world.curl(&["http://127.0.0.2:9080/unknown-host"])?.expect_status(503)?;
    expect_equal("body", reply.body.as_str(), "no healthy upstream")?;
    expect_equal("server", reply.header("server")?, "envoy")?;
    expect_equal("content-type", reply.header("content-type")?, "text/plain")?;
    let wanted = ["content-length", "content-type", "date", "server"];
    expect_equal("headers in order", reply.header_names(), wanted.to_vec())?;
    let line = world.ratings.access_line("unknown-host")?;
    let wanted = format!(
        r#".*"GET /unknown-host HTTP/1.1" 503 UH no_healthy_upstream - "-" 0 19 [0-9]+ - "-" "curl/[0-9.]+" "{}" "127.0.0.2:9080" "-" PassthroughCluster - 127.0.0.2:9080 127.0.0.1:{PORT} - allow_any"#,
        request_id()
    );
    expect_matches("the log line", &line, &wanted)
}

/// What the application behind `details` reported of the request to `target`.
pub fn seen(world: &World, target: &str) -> Result<Value> {
    let requests = world.details.app_saw("http")?;
    let found = requests.iter().rfind(|request| {
        request["target"].as_str().is_some_and(|seen| seen == target || seen.ends_with(&format!("9080{target}")))
    });
    found.cloned().ok_or_else(|| format!("the application saw no {target}, but {requests:?}").into())
}

/// Name and value of each header in a report.
pub fn headers(request: &Value) -> Vec<(&str, &str)> {
    let pairs = request["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
    pairs.iter().filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?))).collect()
}

/// An error unless the whole of `text` matches.
pub fn expect_matches(what: &str, text: &str, pattern: &str) -> Result<()> {
    let regex = Regex::new(&format!("^{pattern}$"))?;
    expect(regex.is_match(text), || format!("{what} is\n  {text}\nand should match\n  {pattern}"))
}

/// A v4 UUID.
fn request_id() -> String {
    String::from("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
}

/// Trace context is there or not by the tracing settings of the mesh, which these tests leave alone.
fn tracing_header(name: &str) -> bool {
    name.starts_with("x-b3-") || name == "traceparent" || name == "tracestate"
}
