//! A hundred starts and stops under load: every request that a proxy has let in is answered, from the first connection that it accepts to the last that it
//! drains. As the agent does it: `/drain_listeners?graceful`, and SIGTERM once its clients have gone.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outrigger_integration::embedded::app::App;
use outrigger_integration::embedded::client::{Connection, Request};
use outrigger_integration::embedded::{binary, ports};
use serde_json::{Value, json};

const CYCLES: usize = 100;
const CLIENTS: usize = 4;
/// Requests that a proxy answers, at least, before it is told to drain.
const ENOUGH: usize = 40;

/// A proxy that is started again and again.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Proxy {
    fn start(program: &Path, bootstrap: &Path) -> Proxy {
        let mut command = Command::new(program);
        command.arg("-c").arg(bootstrap).args(["--concurrency", "2", "-l", "error", "--drain-strategy", "immediate"]);
        Proxy(command.stdout(Stdio::null()).spawn().expect("the binary starts"))
    }

    /// SIGTERM, and the status that it ends with.
    fn stop(mut self) -> Option<i32> {
        // The shell's `kill` saves an unsafe call.
        let status = Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status();
        assert!(status.expect("kill is everywhere").success());
        self.0.wait().expect("it ends").code()
    }
}

fn place(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn bootstrap(admin: SocketAddr, listener: SocketAddr, app: SocketAddr) -> Value {
    let router = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s", "http_filters": [{ "name": "r", "typed_config": router }],
        "route_config": { "virtual_hosts": [{ "name": "v", "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "app" } }] }] },
    });
    json!({
        "admin": { "address": place(admin) },
        "node": { "id": "one", "cluster": "c" },
        "static_resources": {
            "listeners": [{ "name": "l", "address": place(listener), "filter_chains": [{ "filters": [{ "name": "h", "typed_config": manager }] }] }],
            "clusters": [{ "name": "app", "type": "STATIC", "load_assignment": { "cluster_name": "app",
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": place(app) } }] }] } }],
        },
    })
}

/// Asks on one connection, from the moment that there is one until it is told to go.
async fn client(address: SocketAddr, answered: Arc<AtomicUsize>) {
    let mut connection = loop {
        match Connection::open(address).await {
            Ok(connection) => break connection,
            // Nobody listens yet.
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    loop {
        let reply = connection.send(Request::get("/").host("app")).await.expect("each request is answered");
        assert_eq!(reply.status, 200);
        answered.fetch_add(1, Ordering::Relaxed);
        if reply.header("connection") == Some("close") {
            return;
        }
    }
}

#[tokio::test]
async fn no_request_is_lost_over_a_hundred_starts_and_stops() {
    let program = binary::build().expect("the binary builds");
    let app = App::start("app").await;
    let (admin, listener) = (ports::free(ports::loopback()), ports::free(ports::loopback()));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bootstrap.json");
    std::fs::write(&file, bootstrap(admin, listener, app.address()).to_string()).expect("it is writable");
    for cycle in 0..CYCLES {
        let proxy = Proxy::start(&program, &file);
        let answered = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(client(listener, answered.clone()))).collect();
        while answered.load(Ordering::Relaxed) < ENOUGH && clients.iter().any(|client| !client.is_finished()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let drained = Request::new("POST", "/drain_listeners?graceful").host("admin").send(admin).await;
        assert_eq!(drained.status, 200, "cycle {cycle}");
        // Who comes now is served, too, and told to go.
        client(listener, answered.clone()).await;
        for client in clients {
            client.await.unwrap_or_else(|lost| panic!("cycle {cycle}: {lost}"));
        }
        assert_eq!(proxy.stop(), Some(0), "cycle {cycle}");
    }
}
