//! Tests of mirrors: what is copied, when it is sent, and that the request does not notice.

use config::access_log::{Format, Operator, Part};
use config::header_mutation::HeaderMutation;
use config::matcher::Fraction;
use config::route::*;

use crate::http::testing::fake::{Script, Seen};
use crate::http::testing::*;
use crate::wire::codec::StreamError;

fn mirror(cluster: &str) -> Mirror {
    Mirror {
        to: MirrorTarget::Cluster(cluster.into()),
        fraction: None,
        keeps_host: false,
        mutations: Vec::new(),
        host_rewrite: None,
        traced: true,
    }
}

/// A service that reads all and answers.
fn reads() -> Script {
    Script { after_request: true, ..Script::answers(200, &[], &["nobody reads this"]) }
}

fn bench(mirrors: Vec<Mirror>) -> Bench {
    let mut bench = Bench::new(to_app(|forward| forward.mirrors = mirrors));
    for name in ["copy", "other"] {
        bench.cluster(name).otherwise.set(Some(reads));
    }
    bench
}

/// What came to which of the clusters.
fn told(bench: &Bench) -> Vec<(&'static str, Seen)> {
    let of = |name| bench.clusters.get(name).into_iter().flat_map(move |cluster| cluster.seen().into_iter());
    ["copy", "other"].into_iter().flat_map(|name| of(name).map(move |seen| (name, seen))).collect()
}

/// The bodies of the mirrors, and whether they came to their ends.
fn bodies(bench: &Bench) -> Vec<(Vec<u8>, bool)> {
    told(bench).into_iter().map(|(_, seen)| (seen.body, seen.ended)).collect()
}

fn hosts(bench: &Bench) -> Vec<String> {
    let told = told(bench);
    told.iter().map(|(name, seen)| format!("{name} {}", String::from_utf8_lossy(&seen.head.authority))).collect()
}

#[tokio::test(start_paused = true)]
async fn copies_go_out_with_the_host_marked() {
    let kept = Mirror {
        keeps_host: true,
        mutations: vec![
            HeaderMutation::Append(add("x-copy", "yes", AppendAction::AppendOrAdd)),
            HeaderMutation::Remove("x-secret".into()),
        ],
        ..mirror("other")
    };
    let named = Mirror { host_rewrite: Some("lab.example".into()), ..mirror("copy") };
    let mut bench = bench(vec![mirror("copy"), kept, named]);
    bench.upstream(Script::answers(200, &[], &["main"]));
    let mut request = with(get("/a"), &[("x-secret", "1")]);
    request.authority = "web.example:81".into();
    let outcome = bench.send(request).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (200, "main"));
    let calls = told(&bench);
    let seen: Vec<_> = calls.iter().map(|(name, seen)| (*name, &seen.head.authority[..])).collect();
    assert_eq!(seen, [("copy", &b"web.example-shadow:81"[..]), ("copy", b"lab.example"), ("other", b"web.example:81")]);
    let header = |index: usize, name: &str| calls[index].1.header(name).is_some();
    assert!(header(0, "x-secret") && !header(2, "x-secret") && header(2, "x-copy") && !header(1, "x-copy"));
    let main = &bench.seen()[0];
    assert!(main.header("x-copy").is_none() && main.header("x-secret").is_some(), "the request itself is as it was");
}

#[tokio::test(start_paused = true)]
async fn changes_tell_of_the_host_that_the_request_itself_goes_to() {
    let part = |operator| Part::Operator { operator, limit: None };
    let parts = vec![part(Operator::UpstreamHost), Part::Literal(" ".into()), part(Operator::UpstreamAttemptCount)];
    let mut host = add("x-host", "", AppendAction::AppendOrAdd);
    host.value = Format { parts, omit_empty: false };
    let mut bench = bench(vec![Mirror { mutations: vec![HeaderMutation::Append(host)], ..mirror("copy") }]);
    bench.upstream(Script::answers(200, &[], &["main"]));
    let outcome = bench.send(get("/a")).await;
    let host = outcome.info.upstream_host.as_deref().expect("the request has gone to one");
    let (_, copy) = &told(&bench)[0];
    assert_eq!(copy.header("x-host"), Some(format!("{host} 1")));
    assert!(copy.head.authority.ends_with(b"-shadow"), "and the rest is changed, too");
}

#[tokio::test(start_paused = true)]
async fn a_header_may_name_the_cluster() {
    let by_header = Mirror { to: MirrorTarget::Header("x-mirror".into()), ..mirror("") };
    let mut bench = bench(vec![by_header]);
    for (value, expected) in
        [(Some("other"), vec!["other h-shadow"]), (Some("nobody"), vec![]), (Some(""), vec![]), (None, vec![])]
    {
        bench.upstream(Script::answers(200, &[], &["main"]));
        let mut request = get("/a");
        request.authority = "h".into();
        if let Some(value) = value {
            request = with(request, &[("x-mirror", value)]);
        }
        assert_eq!(bench.send(request).await.status(), 200);
        assert_eq!(hosts(&bench), expected, "{value:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn shares_and_levels() {
    let share =
        |numerator| Mirror { fraction: Some(Fraction { numerator, denominator: 100 }.into()), ..mirror("copy") };
    for (mirrors, expected) in [(vec![share(0)], 0), (vec![share(100)], 1), (vec![], 1)] {
        let mut bench = bench(mirrors);
        bench.host(|host| host.mirrors = vec![mirror("other")]);
        bench.upstream(Script::answers(200, &[], &["main"]));
        bench.send(get("/a")).await;
        assert_eq!(told(&bench).len(), expected, "the virtual host's stand in for those of a route without any");
    }
    let mut bench = bench(vec![]);
    bench.table.mirrors = vec![mirror("copy")];
    bench.upstream(Script::answers(200, &[], &["main"]));
    bench.send(get("/a")).await;
    assert_eq!(told(&bench).len(), 1, "the table's, last");
}

#[tokio::test(start_paused = true)]
async fn the_body_goes_along() {
    let mut bench = bench(vec![mirror("copy"), mirror("other")]);
    bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["main"]) });
    bench.send_from(Client::sending(&["he", "llo"]), post("/a")).await;
    assert_eq!(bodies(&bench), [(b"hello".to_vec(), true), (b"hello".to_vec(), true)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_broken_off_breaks_off_its_copies() {
    let mut bench = bench(vec![mirror("copy")]);
    let later = std::time::Duration::from_secs(1);
    bench.upstream(Script { head_in: later, ..Script::fails(StreamError::Reset(2)) });
    let mut client = Client::sending(&["he", "llo"]);
    client.pieces.pop_back();
    assert_eq!(bench.send_from(client, post("/a")).await.status(), 503);
    assert_eq!(bodies(&bench), [(b"hello".to_vec(), false)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_tried_again_is_copied_once() {
    let mut bench = Bench::new(to_app(|forward| {
        forward.mirrors = vec![mirror("copy")];
        forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 2).into());
    }));
    bench.cluster("copy").otherwise.set(Some(reads));
    bench.upstream(Script { after_request: true, ..Script::answers(503, &[], &[]) });
    bench.upstream(Script::answers(200, &[], &["main"]));
    let outcome = bench.send_from(Client::sending(&["hello"]), post("/a")).await;
    assert_eq!(outcome.status(), 200);
    assert_eq!(bodies(&bench), [(b"hello".to_vec(), true)]);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_keep_up_is_lost_and_the_request_goes_on() {
    let piece: &'static str = "x".repeat(64 * 1024).leak();
    let mut bench = bench(vec![mirror("copy")]);
    bench.cluster("copy").otherwise.set(Some(|| Script { deaf: true, ..Script::hangs() }));
    bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["main"]) });
    let outcome = bench.send_from(Client::sending(&[piece; 48]), post("/a")).await;
    assert_eq!(outcome.status(), 200);
    assert_eq!(bench.seen()[0].body.len(), 48 * piece.len());
    assert!(!bodies(&bench)[0].1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_copied_without_a_host_for_the_request() {
    let mut bench = bench(vec![mirror("copy")]);
    bench.upstream(Script { no_host: Some(crate::cluster::PickFailure::NoEndpoints), ..Script::default() });
    assert_eq!(bench.send(get("/a")).await.status(), 503);
    assert_eq!(told(&bench).len(), 0);
}
