//! Tests of `basic_auth`. What a client gets is held against Envoy by the scenarios `basic_auth*`; here are its sources and its silence.

use config::filters::basic_auth::{BasicAuth, BasicAuthPerRoute, Passwords, Users};
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::secret::{DataSource, FileSource};

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{fake::Script, get, with};

/// `user` with the password `test`.
const USERS: &[u8] = b"user:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n";
/// That, as it is shown.
const SHOWN: &str = "Basic dXNlcjp0ZXN0";

fn config(users: Users) -> BasicAuth {
    BasicAuth {
        users,
        forward_username_header: Some("x-user".into()),
        authentication_header: "authorization".into(),
        allow_missing: false,
        emit_dynamic_metadata: true,
    }
}

fn given(text: &[u8]) -> Users {
    Users::Given(Passwords::parse(text).expect("it is well-formed"))
}

fn filter(users: Users) -> Filtered {
    Filtered::new([("basic", HttpFilterConfig::BasicAuth(config(users).into()))])
}

async fn status(bench: &mut Filtered, shown: &'static str) -> u16 {
    bench.app(Script::answers(200, &[], &[]));
    bench.send(with(get("/"), &[("authorization", shown)])).await.status()
}

#[tokio::test]
async fn the_application_and_later_filters_learn_the_user_and_not_the_password() {
    let mut bench = filter(given(USERS));
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &[("authorization", SHOWN), ("x-user", "forged")])).await;
    let told = outcome.info.metadata.get("basic").cloned();
    assert_eq!((outcome.status(), told), (200, Some(serde_json::json!({"username": "user"}))));
    assert_eq!(bench.app_saw().header("x-user").as_deref(), Some("user"));
    assert_eq!((bench.stat("http.test.basic_auth.allowed"), bench.stat("http.test.basic_auth.denied")), (1, 0));
}

#[tokio::test]
async fn nobody_comes_without_users() {
    let mut bench = filter(given(b""));
    assert_eq!(status(&mut bench, SHOWN).await, 401);
    let other = BasicAuthPerRoute { users: given(b"") };
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        let mut bench = filter(given(USERS)).tell(level, "basic", ScopedConfig::BasicAuth(other.clone().into()));
        assert_eq!(status(&mut bench, SHOWN).await, 401, "{level:?}");
    }
}

#[tokio::test]
async fn users_are_read_from_files() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), USERS).expect("it is written");
    let from = |path: &std::path::Path| Users::From(DataSource::File(FileSource { path: path.into(), watched: None }));
    assert_eq!(status(&mut filter(from(file.path())), SHOWN).await, 200);
    std::fs::write(file.path(), b"user:secret\n").expect("it is written");
    let refused = super::users(&from(file.path())).expect_err("another hash");
    assert_eq!((refused.path.as_str(), refused.reason.contains("secret")), ("users.filename", false), "{refused}");
    // A folder stands for all that is no regular file.
    for (path, why) in [("/nowhere/users", "cannot read /nowhere/users: "), ("/tmp", "/tmp is no regular file")] {
        let refused = super::users(&from(std::path::Path::new(path))).expect_err("no users");
        assert!(refused.path == "users.filename" && refused.reason.starts_with(why), "{refused}");
    }
}

#[test]
fn what_is_wrong_is_told_and_what_stands_there_is_not() {
    for (text, why) in [
        ("hunter2", "line 1 is not as htpasswd writes it"),
        ("#\n\n:x", "line 3 has no user, or no hash"),
        ("user:$apr1$hunter2", "another hash"),
        ("user:{SHA}hunter2", "is not as base64 writes one"),
        ("user:{SHA}aHVudGVyMg==", "another length"),
        ("a:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\na:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", "line 2 has a user who was there"),
    ] {
        let said = Passwords::parse(text.as_bytes()).expect_err(text);
        assert!(said.contains(why) && !said.contains("hunter2") && !said.contains("qUqP"), "{said}");
    }
    let shown = format!("{:?}", config(given(USERS)));
    assert!(shown.contains("Given(Passwords(1 users))"), "{shown}");
}
