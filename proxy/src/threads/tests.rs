//! Tests of `workers`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{Command, Shared, Workers};
use crate::cluster::published::Published;
use crate::compile::CompileDeps;
use crate::discoveries::Discoveries;
use crate::drain::ServerDrain;
use crate::http::route::{RouteSlot, RouteSlots};
use crate::listener::{Listener, bind};
use crate::logs::{SinkSettings, Sinks};
use crate::stats::{Stats, StatsSettings};
use crate::tls::Secrets;
use crate::xds::testing::{answering_listener, bytes};

impl Workers {
    /// One worker that nobody plays: the commands are the test's to look at.
    pub fn recorded() -> (Arc<Workers>, mpsc::UnboundedReceiver<Command>) {
        let (sender, commands) = mpsc::unbounded_channel();
        let (_, running) = std::sync::mpsc::channel();
        (Arc::new(Workers { senders: vec![sender], running: Mutex::new(running) }), commands)
    }
}

struct NoRoutes;

impl RouteSlots for NoRoutes {
    fn slot(&self, _name: &Arc<str>) -> Arc<RouteSlot> {
        RouteSlot::new()
    }
}

struct Process {
    shared: Shared,
    workers: Arc<Workers>,
}

impl Process {
    fn start(workers: usize) -> Process {
        let shared = Shared {
            published: Arc::new(Published::default()),
            drain: ServerDrain::new(Default::default()),
            stats: Stats::new(StatsSettings::default()),
            sinks: Arc::new(Sinks::new(SinkSettings::default())),
            address: None,
        };
        let workers = Workers::start(workers, &shared).unwrap();
        Process { shared, workers }
    }

    /// A listener that answers every request with a status.
    fn listener(&self, status: u16) -> Arc<Listener> {
        let config =
            config::listener::decode(&bytes(&answering_listener("l", status)), &config::Options::default()).unwrap();
        let deps = CompileDeps {
            secrets: &Secrets::new(),
            stats: &self.shared.stats,
            log_sinks: &*self.shared.sinks,
            discoveries: &Discoveries::new(self.shared.stats.clone()),
            drain: Default::default(),
        };
        Listener::compile(Arc::new(config), &deps, &NoRoutes, None).unwrap()
    }

    fn listen(&self, id: u64, listener: &Arc<Listener>) -> SocketAddr {
        let config = listener.config();
        let settings = bind::Settings::of(config);
        let bound = bind::open(&bind::addresses(config)[0], &settings, self.workers.count(), bind::Neighbours::None);
        let bound = bound.unwrap();
        let address = bound.address().unwrap();
        let mut sockets = bound.listen().unwrap().into_iter();
        self.workers.send_all(|| Command::Listen {
            id,
            listener: listener.clone(),
            socket: sockets.next().expect("one for each worker"),
            open: Arc::default(),
        });
        address
    }

    fn replace(&self, id: u64, listener: &Arc<Listener>) {
        self.workers.send_all(|| Command::Replace { id, listener: listener.clone() });
    }
}

/// The status of an answer on a connection of its own.
fn ask(address: SocketAddr) -> io::Result<u16> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    answer.get(9..12).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
}

/// Asks again and again, since workers obey in their own time.
fn until<T: PartialEq + std::fmt::Debug>(wanted: T, look: impl Fn() -> T) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let seen = look();
        if seen == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{seen:?}, not {wanted:?}");
        std::thread::yield_now();
    }
}

#[test]
fn workers_accept_change_and_stop_as_they_are_told() {
    let process = Process::start(2);
    assert_eq!(process.workers.count(), 2);
    let address = process.listen(1, &process.listener(201));
    let other = process.listen(2, &process.listener(204));
    assert_eq!((ask(address).unwrap(), ask(other).unwrap()), (201, 204));
    process.replace(1, &process.listener(202));
    until(202, || ask(address).unwrap());
    process.workers.send_all(|| Command::Stop { id: 1 });
    until(Some(io::ErrorKind::ConnectionRefused), || ask(address).err().map(|error| error.kind()));
    assert_eq!(ask(other).unwrap(), 204);
}

#[test]
fn the_end_closes_everything_and_is_waited_for() {
    let process = Process::start(2);
    let address = process.listen(1, &process.listener(204));
    let mut open = TcpStream::connect(address).unwrap();
    open.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    open.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");
    assert!(process.workers.end(Duration::from_secs(30)));
    assert_eq!(ask(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    // It returns at all: the connection has ended, whether by FIN or by RST.
    let _ = open.read_to_end(&mut Vec::new());
    assert!(process.workers.end(Duration::from_secs(30)), "a second time does nothing");
}

#[test]
fn commands_for_sockets_that_are_gone_do_nothing() {
    let process = Process::start(1);
    let address = process.listen(1, &process.listener(200));
    process.replace(7, &process.listener(500));
    process.workers.send_all(|| Command::Stop { id: 7 });
    // One worker obeys in order: what answers here has seen both.
    let later = process.listen(2, &process.listener(204));
    assert_eq!((ask(later).unwrap(), ask(address).unwrap()), (204, 200));
}
