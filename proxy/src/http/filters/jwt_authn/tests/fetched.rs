//! Key sets that are fetched, from a server on loopback over real pools and codecs.

use std::cell::Cell;

use super::*;
use crate::call::tests::{Asked, CLUSTER, World, serve};
use crate::cluster::testing::run;

/// What a server says, by path.
type Said = Rc<RefCell<Vec<(&'static str, u16, String)>>>;

/// A server of key sets, who counts its requests; a path that it does not know is never answered.
async fn server(said: Said) -> (World, Rc<Cell<u32>>) {
    let count = Rc::new(Cell::new(0));
    let asked = count.clone();
    let address = serve(move |mut one: Asked| {
        asked.set(asked.get() + 1);
        let path = one.request.uri().path().to_owned();
        let found = said.borrow().iter().find(|(known, ..)| *known == path).cloned();
        Box::pin(async move {
            match found {
                Some((_, 200, body)) => one.answer(&[body.as_bytes()], &[]),
                Some((_, status, _)) => one.only_head(status, &[]),
                None => std::future::pending().await,
            }
        })
    })
    .await;
    (World::http2(address), count)
}

fn remote(path: &str, more: Value) -> Value {
    let mut remote = json!({"http_uri": {"uri": format!("https://idp{path}"), "cluster": CLUSTER, "timeout": "5s"}});
    for (key, value) in more.as_object().into_iter().flatten() {
        remote[key] = value.clone();
    }
    json!({"issuer": "i", "remote_jwks": remote})
}

fn calling(filter: Value, world: &World) -> Filtered {
    let mut bench = bench(filter);
    bench.calls = Some(world.calls.clone());
    bench
}

fn count(bench: &Filtered, name: &str) -> u64 {
    bench.stat(&format!("http.test.jwt_authn.{name}"))
}

#[test]
fn the_first_request_fetches_and_the_others_find() {
    run(async {
        let rsa = Signer::rsa();
        let said: Said = Rc::new(RefCell::new(vec![("/k", 200, set(&[rsa.jwk(json!({}))]))]));
        let (world, asked) = server(said).await;
        let mut bench = calling(only(remote("/k", json!({}))), &world);
        let token = rsa.good("RS256", json!({}));
        assert_eq!(bench.send(get("/")).await.status(), 401, "without a token nothing is fetched");
        assert_eq!(asked.get(), 0);
        assert_eq!(ask(&mut bench, &token).await.status(), 200);
        assert_eq!(ask(&mut bench, &token).await.status(), 200);
        let other = Signer::rsa().good("RS256", json!({}));
        assert_eq!(ask(&mut bench, &other).await.status(), 401);
        assert_eq!((asked.get(), count(&bench, "jwks_fetch_success"), count(&bench, "allowed")), (1, 1, 2));
    });
}

#[test]
fn without_keys_nobody_passes() {
    run(async {
        let rsa = Signer::rsa();
        let good = set(&[rsa.jwk(json!({}))]);
        let said = vec![("/404", 404, good.clone()), ("/junk", 200, "{".into()), ("/empty", 200, String::new())];
        let (world, _) = server(Rc::new(RefCell::new(said))).await;
        let token = rsa.good("RS256", json!({}));
        for path in ["/404", "/junk", "/empty"] {
            let mut bench = calling(only(remote(path, json!({}))), &world);
            let outcome = ask(&mut bench, &token).await;
            assert_eq!((outcome.status(), outcome.body()), (401, "Jwks remote fetch is failed".into()), "{path}");
            assert_eq!(outcome.details(), "jwt_authn_access_denied{Jwks_remote_fetch_is_failed}");
            assert_eq!((count(&bench, "jwks_fetch_failed"), count(&bench, "denied")), (1, 1));
        }
        let mut nobody = remote("/k", json!({}));
        nobody["remote_jwks"]["http_uri"]["cluster"] = json!("none");
        assert_eq!(ask(&mut calling(only(nobody), &world), &token).await.status(), 401);
        let mut slow = remote("/never", json!({}));
        slow["remote_jwks"]["http_uri"]["timeout"] = json!("0.05s");
        assert_eq!(ask(&mut calling(only(slow), &world), &token).await.body(), "Jwks remote fetch is failed");
    });
}

#[test]
fn keys_grow_old_and_take_what_they_verified_along() {
    run(async {
        let (old, new) = (Signer::rsa(), Signer::rsa());
        let said: Said = Rc::new(RefCell::new(vec![("/k", 200, set(&[old.jwk(json!({}))]))]));
        let (world, asked) = server(said.clone()).await;
        let mut provider = remote("/k", json!({"cache_duration": "1s"}));
        provider["jwt_cache_config"] = json!({});
        let mut bench = calling(only(provider), &world);
        let (by_old, by_new) = (old.good("RS256", json!({})), new.good("RS256", json!({})));
        assert_eq!(ask(&mut bench, &by_old).await.status(), 200);
        assert_eq!(ask(&mut bench, &by_old).await.status(), 200);
        assert_eq!(count(&bench, "jwt_cache_hit"), 1);
        said.borrow_mut()[0].2 = set(&[new.jwk(json!({}))]);
        // The clock goes on by itself: until the set is old, only the old key is known.
        while ask(&mut bench, &by_new).await.status() != 200 {}
        assert_eq!(asked.get(), 2);
        assert_eq!(ask(&mut bench, &by_old).await.status(), 401, "a token does not outlive its key");
    });
}

#[test]
fn several_sets_are_fetched_side_by_side_and_who_is_not_needed_is_not_waited_for() {
    run(async {
        let rsa = Signer::rsa();
        let good = set(&[rsa.jwk(json!({}))]);
        let (world, asked) = server(Rc::new(RefCell::new(vec![("/k", 200, good)]))).await;
        let provider = |path: &str, header: &str| {
            let mut one = remote(path, json!({}));
            one["from_headers"] = json!([{"name": header}]);
            one
        };
        let providers = json!({"never": provider("/never", "x-a"), "soon": provider("/k", "x-b")});
        let names = json!([{"provider_name": "never"}, {"provider_name": "soon"}]);
        let mut bench = calling(requires(providers, json!({"requires_any": {"requirements": names}})), &world);
        let token: &'static str = rsa.good("RS256", json!({})).leak();
        bench.app(Script::answers(200, &[], &[]));
        let outcome = bench.send(with(get("/"), &[("x-a", token), ("x-b", token)])).await;
        assert_eq!((outcome.status(), asked.get()), (200, 2));
        assert_eq!(count(&bench, "jwks_fetch_success"), 1);
    });
}

#[test]
fn all_of_several_sets() {
    run(async {
        let (one, two) = (Signer::rsa(), Signer::ec("ES256"));
        let said = vec![("/1", 200, set(&[one.jwk(json!({}))])), ("/2", 200, set(&[two.jwk(json!({}))]))];
        let (world, _) = server(Rc::new(RefCell::new(said))).await;
        let provider = |path: &str, header: &str| {
            let mut one = remote(path, json!({}));
            one["from_headers"] = json!([{"name": header}]);
            one["payload_in_metadata"] = json!(header);
            one
        };
        let providers = json!({"one": provider("/1", "x-a"), "two": provider("/2", "x-b")});
        let names = json!([{"provider_name": "one"}, {"provider_name": "two"}]);
        let filter = requires(providers, json!({"requires_all": {"requirements": names}}));
        let mut bench = calling(filter, &world);
        let a: &'static str = one.good("RS256", json!({})).leak();
        let b: &'static str = two.good("ES256", json!({})).leak();
        for (second, status) in [(b, 200), (a, 401)] {
            bench.app(Script::answers(200, &[], &[]));
            let outcome = bench.send(with(get("/"), &[("x-a", a), ("x-b", second)])).await;
            assert_eq!(outcome.status(), status);
            let told = outcome.info.metadata.get("envoy.filters.http.jwt_authn").unwrap();
            assert!(told.get("x-a").is_some() && told.get("x-b").is_some() == (status == 200), "{told}");
        }
    });
}
