//! Tests of `ui`, of the index, and of pages about what there is not.

use bytes::Bytes;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::route::v3::{RouteConfiguration, VirtualHost};
use prost::Message;

use super::*;
use crate::admin::tests::{admin, admin_with, get, post};
use crate::store::{Entry, Refused, Stored};

fn stored(body: impl Message) -> Stored {
    Stored::now(Bytes::from(body.encode_to_vec()), &"v1".into())
}

fn entry(name: &str, active: Option<Stored>, refused: Option<&str>) -> Entry {
    let refused = refused.map(|reason| Refused { resource: stored(Listener::default()), reason: reason.into() });
    Entry { name: name.into(), active, refused, ..Entry::default() }
}

/// A manager that gets its routes from elsewhere.
fn listener(table: &str) -> Listener {
    let value = serde_json::json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "127.0.0.2_9080", "traffic_direction": "OUTBOUND",
        "filter_chains": [{ "filters": [{ "name": "http", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "rds": { "route_config_name": table }
        } }] }]
    });
    Listener::decode(&*config::dump::encode(&value).unwrap()).unwrap()
}

fn table() -> RouteConfiguration {
    let host = VirtualHost {
        name: "details".into(),
        domains: vec!["details.bookinfo".into(), "details".into()],
        ..VirtualHost::default()
    };
    RouteConfiguration { name: "9080".into(), virtual_hosts: vec![host], ..RouteConfiguration::default() }
}

#[tokio::test]
async fn the_page_says_what_serves_what_was_refused_and_who_we_are() {
    let resources = vec![
        (Kind::Listener, entry("127.0.0.2_9080", Some(stored(listener("9080"))), None)),
        (Kind::Listener, entry("taken", None, Some("address 10.0.0.1:80 is taken; <script>alert(1)</script>"))),
        (Kind::Route, entry("9080", Some(stored(table())), None)),
    ];
    let (admin, _) = admin_with(resources, Bytes::new());
    admin.stats.counter("http.outbound.downstream_rq_total").add(7);
    let (status, page) = get(&admin, "/ui").await;
    assert_eq!(status, 200);
    for part in [
        "<html lang=\"en\">",
        "name=\"viewport\"",
        "<span class=\"good\">LIVE</span>",
        "listener taken</th>",
        "address 10.0.0.1:80 is taken; &lt;script&gt;alert(1)&lt;/script&gt;",
        "spiffe://cluster.local/ns/a/sa/b, b.a",
        "3 d 0 h",
        "127.0.0.2:9080, [::1]:80",
        "<span class=\"good\">bound</span>",
        "data-label=\"Names\">details</td>",
        ">outbound</td>",
        "<span class=\"bad\">0 of 1</span>",
        "data-stat=\"http.outbound.downstream_rq_total\">7</td>",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<script>") && !page.contains("http://") && !page.contains("https://"), "{page}");
    // Each heading belongs to its part, for those who listen to the page.
    assert_eq!(page.matches("<section aria-labelledby=").count(), page.matches("<h2 id=").count());
    assert_eq!(page.matches("<section").count(), page.matches("</section>").count());
}

#[tokio::test]
async fn without_anything_the_page_says_so() {
    let (admin, _) = admin();
    let page = get(&admin, "/ui?all").await.1;
    for part in ["Nothing: all that the control plane sent is in use.", "No connection and no request yet"] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[tokio::test]
async fn a_long_list_is_cut_and_can_be_had_whole() {
    let entries = (0..MOST + 20).map(|index| (Kind::Listener, entry(&format!("listener-{index}"), None, Some("no"))));
    let (admin, _) = admin_with(entries.collect(), Bytes::new());
    let page = get(&admin, "/ui").await.1;
    assert!(page.contains("20 more: <a href=\"/ui?all\">") && !page.contains(">listener-119</th>"), "{page}");
    assert!(get(&admin, "/ui?all").await.1.contains(">listener-119</th>"));
}

#[tokio::test]
async fn the_files_of_the_page_ask_nobody_else() {
    let (admin, _) = admin();
    for (path, part) in [("/ui/style.css", "prefers-color-scheme: dark"), ("/ui/script.js", "fetch(\"/stats?")] {
        let (status, text) = get(&admin, path).await;
        assert!(status == 200 && text.contains(part), "{text}");
        assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("@import"), "{text}");
    }
    let page = show(&admin, &Query::default(), &Shown::default());
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(style().headers()[CONTENT_TYPE], "text/css; charset=UTF-8");
}

#[tokio::test]
async fn the_index_links_what_reads_and_posts_what_changes() {
    let (admin, _) = admin();
    let (status, page) = get(&admin, "/").await;
    assert_eq!(status, 200);
    for part in [
        "<a href=\"/ui\">",
        "<a href=\"/config_dump\">/config_dump</a>",
        "<form method=\"post\" action=\"/quitquitquit\"><button>POST /quitquitquit</button></form>",
        "<li>graceful: ",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("href=\"/quitquitquit\"") && !page.contains("/ui/style.css</dt>"), "{page}");
}

#[tokio::test]
async fn what_there_is_not_says_so() {
    let (admin, _) = admin();
    for path in ["/heap_dump", "/peak_heap_dump", "/memory/tcmalloc"] {
        let (status, text) = get(&admin, path).await;
        assert!(status == 501 && text.starts_with("This build has no "), "{path}: {status} {text}");
    }
    for path in ["/cpuprofiler", "/heapprofiler", "/allocprofiler"] {
        assert_eq!(get(&admin, path).await.0, 405);
        let usage = if path == "/heapprofiler" { 501 } else { 400 };
        assert_eq!(post(&admin, path).await.0, usage);
        assert_eq!(post(&admin, &format!("{path}?enable=y")).await.0, 501);
    }
    assert_eq!(post(&admin, "/cpuprofiler").await.1, "?enable=<y|n>\n");
    assert_eq!(get(&admin, "/stats?hidden=only").await, (200, String::new()));
    assert_eq!(get(&admin, "/stats?hidden=some").await.0, 400);
    let (status, text) = get(&admin, "/stats/recentlookups").await;
    assert!(status == 200 && text.starts_with("Lookup tracking is not enabled"), "{text}");
    for path in ["enable", "disable", "clear"] {
        assert_eq!(post(&admin, &format!("/stats/recentlookups/{path}")).await, (200, "OK\n".into()));
        assert_eq!(get(&admin, &format!("/stats/recentlookups/{path}")).await.0, 405);
    }
}

#[tokio::test]
async fn a_parameter_that_there_is_not_is_remarked() {
    let (admin, _) = admin();
    let asked = |target: &str| {
        let (path, query) = target.split_once('?').unwrap();
        let response = crate::admin::commands::run(
            &admin,
            &axum::http::Method::GET,
            path,
            &Query::parse(query),
            &Shown::default(),
        );
        let warning = response.headers().get("warning").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), warning)
    };
    let remark = "299 outrigger \"unknown parameter 'useonly' is ignored: /stats takes usedonly, filter, ";
    assert!(asked("/stats?useonly").1.unwrap().starts_with(remark));
    assert_eq!(
        asked("/ready?%22%0a=1").1.unwrap(),
        "299 outrigger \"unknown parameter ''?' is ignored: /ready takes none\""
    );
    assert_eq!(asked("/stats?usedonly&filter=a"), (200, None));
}

#[tokio::test]
async fn what_is_waited_for_is_told() {
    let waiting =
        Entry { name: "127.0.0.2_9080".into(), warming: Some(stored(Listener::default())), ..Entry::default() };
    let (admin, fake) = admin_with(vec![(Kind::Listener, waiting)], Bytes::new());
    *fake.state.lock().unwrap() = "INITIALIZING";
    let dump =
        |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap()["unready_targets_dumps"].clone();
    let all = dump(get(&admin, "/init_dump").await.1);
    assert_eq!(all[0]["name"], "init manager Server");
    assert_eq!(all[0]["target_names"], serde_json::json!(["LDS"]));
    assert_eq!(all[1]["target_names"], serde_json::json!(["127.0.0.2_9080 (warming)"]));
    assert_eq!(dump(get(&admin, "/init_dump?mask=listener").await.1).as_array().unwrap().len(), 1);
}
