//! Tests of `of_admin`; what lines say is held against the real Envoy in `integration/tests/admin_log_parity.rs`.

use std::time::Duration;

use config::access_log::{LogFormat, Sink as SinkConfig};

use super::*;
use crate::call::tests::World;
use crate::cluster::testing::run;
use crate::logs::{SinkSettings, Sinks};

#[test]
fn requests_are_told_however_they_end() {
    run(async {
        let file = tempfile::NamedTempFile::new().unwrap();
        let format = "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT% %REQ(X-FORWARDED-FOR)% %DOWNSTREAM_REMOTE_ADDRESS%\n";
        let sink = SinkConfig::File {
            path: file.path().to_str().unwrap().into(),
            format: LogFormat::Text(config::access_log::format::parse(format).unwrap()),
        };
        let sinks = Sinks::new(SinkSettings { workers: 1, ..SinkSettings::default() });
        let world = World::http2("127.0.0.1:1".parse().unwrap());
        let log = AdminLog::new(
            &[AccessLog { filter: None, sink }],
            &sinks,
            &Stats::new(Default::default()),
            world.calls.clone(),
            Some("192.0.2.7".parse().unwrap()),
        );
        let (local, here, elsewhere) =
            ("127.0.0.1:15000".parse().unwrap(), "127.0.0.1:9".parse().unwrap(), "198.51.100.3:9".parse().unwrap());
        let ask = |method: &str, ends: Option<(SocketAddr, SocketAddr)>| {
            let request = http::Request::builder().method(method).uri("/stats?a").header("x-forwarded-for", "10.1.1.1");
            log.asked(&log.connection(ends), &request.body(()).unwrap().into_parts().0)
        };
        let head = http::Response::builder().status(404).body(()).unwrap().into_parts().0;
        let mut whole = ask("GET", Some((local, here)));
        whole.answered(&head, 0, Some(4));
        whole.sent(4, true);
        drop(whole);
        let mut of_head = ask("HEAD", Some((local, elsewhere)));
        of_head.answered(&head, 0, Some(4));
        drop(of_head);
        let mut cut = ask("PUT", None);
        cut.answered(&head, 0, Some(9));
        cut.sent(4, false);
        drop(cut);
        drop(ask("GET", Some((local, here))));
        log.end(Duration::from_secs(30)).await;
        sinks.flush(Duration::from_secs(30));
        assert_eq!(
            std::fs::read_to_string(file.path()).unwrap(),
            "GET /stats?a 404 - 4 10.1.1.1,192.0.2.7 127.0.0.1:9\n\
             HEAD /stats?a 404 - 4 10.1.1.1,198.51.100.3 198.51.100.3:9\n\
             PUT /stats?a 404 DC 4 10.1.1.1,0.0.0.0 0.0.0.0:0\n\
             GET /stats?a 0 DC 0 10.1.1.1,192.0.2.7 127.0.0.1:9\n"
        );
    });
}
