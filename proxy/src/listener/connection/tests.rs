//! A connection's facts for tests, and the size of its task.

use tokio::net::UnixStream;

use super::*;
use crate::transport::Io;

/// A connection from nowhere.
pub(in crate::listener) fn info() -> ConnectionInfo {
    addresses(None, None)
}

/// Every idle connection costs what its task's future takes, whatever it waits for.
#[tokio::test]
async fn the_task_of_a_connection_is_small() {
    let harness = crate::listener::tests::Harness::new();
    let listener = harness.listener(crate::listener::tests::config("127.0.0.1:0", Vec::new()));
    let (near, _far) = UnixStream::pair().unwrap();
    let permit = crate::listener::limit::acquire(true, true).unwrap();
    let task = run(harness.worker.clone(), Rc::new(Slot::new(listener)), Accepted::Unix(near), permit);
    let size = size_of_val(&task);
    assert!(size < 512, "{size} octets");
    let config::listener::TerminalFilter::Tcp(config) = crate::listener::tests::tcp("x") else { unreachable!() };
    let proxy = crate::tcp::TcpProxy::compile(&config, &[], Default::default(), &harness.deps());
    let (_near, far) = UnixStream::pair().unwrap();
    let stream = Stream::new(Io::Unix(far));
    let relaying = crate::tcp::proxy(&harness.worker, &proxy, stream, Rc::new(info()), DrainWatch::never(), None);
    let size = size_of_val(&relaying);
    assert!(size <= 2304, "{size} octets");
}
