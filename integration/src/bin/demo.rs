//! `cargo demo`: a mesh of two workloads on this machine, with nothing else installed.
//!
//! An embedded control plane, two applications, and an `outrigger` beside each of them, started as pilot-agent starts it.
//! It sends five requests, shows what happened, and stays up on a terminal. Without one it ends, with status 0 only if
//! everything it claims held. Must never need root, a network or another program (curl is used if it is there).

use std::cell::Cell;
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;

use outrigger_integration::control_plane::ControlPlane;
use outrigger_integration::control_plane::bootstrap::AdsProtocol;
use outrigger_integration::control_plane::model::{Mesh, Protocol, Service, Workload};
use outrigger_integration::embedded::app::App;
use outrigger_integration::embedded::client::Request;
use outrigger_integration::embedded::ports::{self, Ports};
use outrigger_integration::embedded::sidecar::{Launch, Sidecar};
use outrigger_integration::embedded::{binary, bound};
use proxy::cli::{complain, say};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Where egress listeners bind: what applications call.
const EGRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Stands in for the address of a host, where ingress listeners bind.
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

const HELP: &str = "\
cargo demo: a mesh of two workloads on this machine, with nothing else installed.

It builds outrigger, starts an embedded control plane, two applications and an outrigger beside each of them, sends
five requests and shows what happened. On a terminal it stays up until Ctrl-C; SIGTERM and SIGHUP end it, too, and
nothing that it started is left behind, also where nobody reads what it says. Without a terminal it ends by itself:
status 0 only if all it claims held.

Usage: cargo demo [--help]
";

#[tokio::main]
async fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("--help" | "-h" | "help") => {
            say(HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            complain(format_args!("demo: there is no argument {other:?}\n\n{HELP}"));
            return ExitCode::from(2);
        }
    }
    // A panic of the harness is a sentence for the reader, not a trace.
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("something went wrong");
        complain(format_args!("\ndemo: {text}"));
    }));
    let page = Page { colour: std::io::stdout().is_terminal(), stays: Cell::new(None) };
    say("Building outrigger; the first time takes some minutes.");
    if let Err(reason) = binary::build() {
        complain(format_args!("demo: {reason}"));
        return ExitCode::FAILURE;
    }
    let mut stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => {
            complain(format_args!("demo: signals cannot be waited for: {error}"));
            return ExitCode::FAILURE;
        }
    };
    // Whatever ends it, what was started is dropped, and with it ended.
    tokio::select! {
        held = run(&page) => status(held),
        code = stop.comes() => match page.stays.get() {
            Some(held) if code == INTERRUPTED => status(held),
            _ => ExitCode::from(code),
        },
    }
}

fn status(held: bool) -> ExitCode {
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything, up to Ctrl-C where there is a terminal. Whether what is claimed held.
async fn run(page: &Page) -> bool {
    let demo = Demo::start().await;
    let held = demo.show(page).await;
    if std::io::stdout().is_terminal() {
        demo.invite(page);
        page.stays.set(Some(held));
        std::future::pending::<()>().await;
    }
    held
}

/// The signals that end it whatever it is doing.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Stop> {
        Ok(Stop {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The status that a shell gives for the one that came.
    async fn comes(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => 128 + 15,
            _ = self.hangup.recv() => 128 + 1,
        }
    }
}

/// What a shell makes of SIGINT.
const INTERRUPTED: u8 = 128 + 2;

/// The running mesh.
struct Demo {
    // Dropped in this order: proxies before what they talk to.
    ratings: Sidecar,
    details: Sidecar,
    details_app: App,
    _ratings_app: App,
    _control_plane: ControlPlane,
    details_ports: Pair,
    ratings_ports: Pair,
}

/// A service's two doors: where it is called, and where it is reached.
#[derive(Debug, Clone, Copy)]
struct Pair {
    egress: SocketAddr,
    ingress: SocketAddr,
}

impl Pair {
    /// The usual port if it is free on both addresses, or else any.
    fn choose(usual: u16) -> Self {
        let free = |address| TcpListener::bind((address, usual)).is_ok();
        if free(EGRESS) && free(HOST) {
            return Self { egress: (EGRESS, usual).into(), ingress: (HOST, usual).into() };
        }
        Self { egress: ports::free(EGRESS), ingress: ports::free(HOST) }
    }
}

impl Demo {
    async fn start() -> Self {
        let (details_app, ratings_app) = (App::start("details").await, App::start("ratings").await);
        let (details_ports, ratings_ports) = (Pair::choose(9080), Pair::choose(9081));
        let mesh = Mesh::new()
            .service(Service::new("details").port(9080, Protocol::Http))
            .service(Service::new("ratings").port(9080, Protocol::Http))
            .workload(
                Workload::new("ratings", HOST)
                    .ingress(9080, Protocol::Http, ratings_ports.ingress.port(), ratings_app.address())
                    .egress(EGRESS, details_ports.egress.port(), Protocol::Http),
            )
            .workload(
                Workload::new("details", HOST)
                    .ingress(9080, Protocol::Http, details_ports.ingress.port(), details_app.address())
                    .egress(EGRESS, ratings_ports.egress.port(), Protocol::Http),
            );
        let workloads = (mesh.find("ratings-vm").clone(), mesh.find("details-vm").clone());
        let control_plane = ControlPlane::start(mesh);
        let launch = Launch { last_words: |words| complain(words), ..Launch::default() };
        let ratings = Sidecar::start(&control_plane, &workloads.0, Ports::free(), AdsProtocol::Delta, launch).await;
        let details = Sidecar::start(&control_plane, &workloads.1, Ports::free(), AdsProtocol::Delta, launch).await;
        ratings.wait_ready().await;
        details.wait_ready().await;
        Self {
            ratings,
            details,
            details_app,
            _ratings_app: ratings_app,
            _control_plane: control_plane,
            details_ports,
            ratings_ports,
        }
    }

    /// Sends the requests and shows everything; whether all of it held.
    async fn show(&self, page: &Page) -> bool {
        let mut held = self.show_requests(page).await;
        held &= self.show_identities(page);
        held &= self.show_logs(page).await;
        held &= self.show_bound(page);
        say("");
        if held {
            say(page.good("Everything held."));
        } else {
            say(page.bad("Not everything held; see the lines marked with a cross."));
            say(format_args!("\n--- ratings ---\n{}--- details ---\n{}", self.ratings.log(), self.details.log()));
        }
        held
    }

    async fn show_requests(&self, page: &Page) -> bool {
        page.title("Five requests from the application ratings to details, through both sidecars");
        say(format_args!("$ {}\n", command("details", self.details_ports.egress, "/details/0")));
        let mut held = true;
        for number in 1..=5 {
            let answer = ask(self.details_ports.egress).await;
            let head = answer.lines().next().unwrap_or("no answer").to_owned();
            let server = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("server:"));
            if number == 1 {
                answer.lines().for_each(|line| say(format_args!("    {line}")));
                say("");
            }
            let good = head == "HTTP/1.1 200 OK" && server.is_some_and(|line| line.ends_with(" envoy"));
            held &= page.check(good, &format!("{number}. {head}, {}", server.unwrap_or("no server header")));
        }
        held
    }

    fn show_identities(&self, page: &Page) -> bool {
        page.title("Identities, from the certificates of the mTLS connection between the two");
        let Some(arrived) = self.details_app.arrived().pop() else {
            return page.check(false, "no request reached the application details");
        };
        let header = arrived.header("x-forwarded-client-cert").unwrap_or("").to_owned();
        let part =
            |name: &str| header.split(';').find_map(|part| part.strip_prefix(name)).unwrap_or("nobody").to_owned();
        let (client, server) = (part("URI="), part("By="));
        let mut held = true;
        let expected = |account: &str| format!("spiffe://cluster.local/ns/bookinfo/sa/bookinfo-{account}");
        held &= page.check(client == expected("ratings"), &format!("details was called by   {client}"));
        held &= page.check(server == expected("details"), &format!("ratings was answered by {server}"));
        say(format_args!("    x-forwarded-client-cert: {header}"));
        held
    }

    async fn show_logs(&self, page: &Page) -> bool {
        page.title("Access log lines of one request");
        let Some(id) =
            self.details_app.arrived().pop().and_then(|arrived| Some(arrived.header("x-request-id")?.to_owned()))
        else {
            return page.check(false, "the request that reached details has no x-request-id");
        };
        let mut held = true;
        for (name, sidecar) in [("ratings (outbound)", &self.ratings), ("details (inbound)", &self.details)] {
            let line = sidecar.wait_access_log(&id).await;
            held &= page.check(line.contains("\"GET /details/0 HTTP/1.1\" 200 - via_upstream"), name);
            say(format_args!("    {line}"));
        }
        held
    }

    fn show_bound(&self, page: &Page) -> bool {
        page.title("What is bound");
        let sides = [
            ("ratings", &self.ratings, self.details_ports.egress, self.ratings_ports.ingress),
            ("details", &self.details, self.ratings_ports.egress, self.details_ports.ingress),
        ];
        let mut held = true;
        for (name, sidecar, egress, ingress) in sides {
            let found = sidecar.id().and_then(|id| bound::listening(id).ok()).unwrap_or_default();
            let ports = sidecar.ports().bootstrap;
            let expected = [
                (egress, "egress: what the application calls"),
                (ingress, "ingress: where others reach it"),
                (ports.admin, "admin (15000 under an agent)"),
                (ports.status, "readiness (15021 under an agent)"),
                (ports.prometheus, "metrics (15090 under an agent)"),
            ];
            for (address, what) in expected {
                held &= page.check(found.contains(&address), &format!("{name}  {:<17} {what}", address.to_string()));
            }
            for other in found.iter().filter(|found| expected.iter().all(|(address, _)| address != *found)) {
                held &= page.check(false, &format!("{name}  {other} was not expected"));
            }
        }
        held
    }

    fn invite(&self, page: &Page) {
        page.title("It stays up until Ctrl-C. Try");
        let admin = self.ratings.ports().bootstrap.admin;
        for line in [
            command("details", self.details_ports.egress, "/details/0"),
            command("ratings", self.ratings_ports.egress, "/ratings/0"),
            format!("curl -si http://{}/                       # no such host in the mesh", self.details_ports.egress),
            format!("curl -si http://{}/details/0              # plaintext from outside", self.details_ports.ingress),
            format!("curl -s http://{admin}/clusters"),
            format!("curl -s http://{admin}/config_dump"),
            format!("curl -s http://{admin}/stats/prometheus"),
        ] {
            say(format_args!("    {line}"));
        }
        say(format_args!("\nWorking folders: {} and {}", self.ratings.root().display(), self.details.root().display()));
    }
}

fn command(service: &str, egress: SocketAddr, path: &str) -> String {
    let (address, port) = (egress.ip(), egress.port());
    format!("curl -si --resolve {service}.bookinfo:{port}:{address} http://{service}.bookinfo:{port}{path}")
}

/// The answer's head and body as `curl -si` shows them; with curl itself if it is installed.
async fn ask(egress: SocketAddr) -> String {
    let (address, port) = (egress.ip(), egress.port());
    let resolve = format!("details.bookinfo:{port}:{address}");
    let url = format!("http://details.bookinfo:{port}/details/0");
    let curl = tokio::process::Command::new("curl")
        .args(["-si", "--max-time", "10", "--noproxy", "*", "--resolve", &resolve, &url])
        .output()
        .await;
    if let Ok(output) = curl {
        return String::from_utf8_lossy(&output.stdout).replace('\r', "");
    }
    let request = Request::get("/details/0").host(&format!("details.bookinfo:{port}"));
    match request.header("user-agent", "outrigger-demo").try_send(egress).await {
        Ok(reply) => {
            let reason = http::StatusCode::from_u16(reply.status).ok().and_then(|status| status.canonical_reason());
            let mut text = format!("HTTP/1.1 {} {}\n", reply.status, reason.unwrap_or_default());
            reply.headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\n")));
            text + "\n" + &reply.text()
        }
        Err(error) => format!("no answer: {error}"),
    }
}

/// How things are printed.
struct Page {
    colour: bool,
    /// All is shown, and it waits for Ctrl-C; whether what it claims held.
    stays: Cell<Option<bool>>,
}

impl Page {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn good(&self, text: &str) -> String {
        self.paint("32", text)
    }

    fn bad(&self, text: &str) -> String {
        self.paint("31", text)
    }

    fn title(&self, text: &str) {
        say(format_args!("\n{}", self.paint("1", text)));
    }

    /// Prints one claim with its mark, and gives it back.
    fn check(&self, held: bool, text: &str) -> bool {
        let mark = if held { self.good("✓") } else { self.bad("✗") };
        say(format_args!("  {mark} {text}"));
        held
    }
}
