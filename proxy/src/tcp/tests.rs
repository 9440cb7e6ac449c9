//! Relays: spliced, copied, through TLS; ends, resets and time limits.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::pipes;
use super::relay::{End, Moved, relay};
use crate::transport::{ByteCounts, Io, Stream};

/// Two ends of a TCP connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

fn memory() -> (DuplexStream, Stream) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    (near, Stream::new(Io::Memory(far)))
}

/// A pattern of prime length, over and over: a byte that is lost, doubled or moved shows at once.
fn pattern() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(5);
    (0..65521).map(|_| random.u8(..)).collect()
}

async fn run(mut downstream: Stream, mut upstream: Stream, idle: Option<Duration>) -> (End, Moved) {
    let mut moved = Moved::default();
    let end =
        relay(&mut downstream, &mut upstream, idle, &mut moved, [ByteCounts::NONE; 2], None, &mut |_, _| false).await;
    (end, moved)
}

/// Sends `total` octets one way, half-closes, and gets their number back on the other way.
async fn upload(total: u64, downstream: Stream, client: TcpStream, upstream: Stream, server: TcpStream) -> Moved {
    let pattern = pattern();
    let sending = async {
        let (mut read, mut write) = client.into_split();
        let mut left = total as usize;
        while left > 0 {
            let part = &pattern[..left.min(pattern.len())];
            write.write_all(part).await.unwrap();
            left -= part.len();
        }
        write.shutdown().await.unwrap();
        assert_eq!(read.read_u64().await.unwrap(), total, "the other direction is still open");
        assert_eq!(read.read(&mut [0]).await.unwrap(), 0);
    };
    let receiving = async {
        let (mut read, mut write) = server.into_split();
        let (mut received, mut place, mut buffer) = (0, 0, vec![0; 65536]);
        loop {
            let length = buffer.len().min(pattern.len() - place);
            match read.read(&mut buffer[..length]).await.unwrap() {
                0 => break,
                length => {
                    assert!(buffer[..length] == pattern[place..place + length], "damaged after {received}");
                    received += length as u64;
                    place = (place + length) % pattern.len();
                }
            }
        }
        write.write_u64(received).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let ((end, moved), (), ()) = tokio::join!(run(downstream, upstream, None), sending, receiving);
    assert!(matches!(end, End::Closed), "{end:?}");
    moved
}

#[tokio::test]
async fn a_hundred_mebibytes_are_spliced_and_the_half_close_is_kept() {
    let (client, downstream) = connection().await;
    let (upstream, server) = connection().await;
    let moved = upload(100 << 20, downstream.into(), client, upstream.into(), server).await;
    assert_eq!((moved.received, moved.sent), (100 << 20, 8));
    assert!(pipes::with(|store| !store.idle.is_empty()), "the pipe came back");
    let pipe = pipes::lend().unwrap();
    let (_far, socket) = connection().await;
    let empty = crate::sys::splice(&pipe.read, &socket, 1).unwrap_err();
    assert_eq!(empty.kind(), io::ErrorKind::WouldBlock, "and it is empty");
}

#[tokio::test]
async fn when_pipes_are_refused_bytes_are_copied() {
    pipes::with(|store| store.smallest = usize::MAX);
    let (client, downstream) = connection().await;
    let (upstream, server) = connection().await;
    let moved = upload(5 << 20, downstream.into(), client, upstream.into(), server).await;
    assert_eq!(moved.received, 5 << 20);
    assert!(pipes::with(|store| store.idle.is_empty()));
}

#[tokio::test]
async fn bytes_that_were_inspected_come_first() {
    let (mut client, downstream) = connection().await;
    let (upstream, mut server) = connection().await;
    let downstream = Stream::with_prefix(bytes::Bytes::from_static(b"looked at, "), Io::Tcp(downstream));
    let talking = async {
        client.write_all(b"then spliced").await.unwrap();
        client.shutdown().await.unwrap();
        let mut all = String::new();
        server.read_to_string(&mut all).await.unwrap();
        drop(server);
        all
    };
    let ((_, moved), all) = tokio::join!(run(downstream, upstream.into(), None), talking);
    assert_eq!(all, "looked at, then spliced");
    assert_eq!(moved.received, all.len() as u64);
}

#[tokio::test]
async fn a_reset_is_told_apart_from_an_end() {
    let (client, downstream) = connection().await;
    let (upstream, _server) = connection().await;
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let (end, _) = run(downstream.into(), upstream.into(), None).await;
    assert!(matches!(&end, End::Downstream(error) if error.kind() == io::ErrorKind::ConnectionReset), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn the_idle_time_begins_again_with_every_byte() {
    let (mut client, downstream) = memory();
    let (mut server, upstream) = memory();
    let idle = Duration::from_secs(10);
    let begun = Instant::now();
    let talking = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(7)).await;
            client.write_all(b"x").await.unwrap();
            server.read_u8().await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(7)).await;
        server.write_all(b"y").await.unwrap();
        client.read_u8().await.unwrap();
        std::future::pending::<()>().await
    };
    tokio::select! {
        (end, moved) = run(downstream, upstream, Some(idle)) => {
            assert!(matches!(end, End::Idle));
            assert_eq!((moved.received, moved.sent), (3, 1));
        }
        () = talking => unreachable!(),
    }
    assert_eq!(begun.elapsed().as_secs(), 38);
}

#[tokio::test]
async fn a_target_that_does_not_read_stops_the_source() {
    let (mut client, downstream) = memory();
    let (mut server, upstream) = memory();
    let sent = 4 << 20;
    let sending = async {
        client.write_all(&vec![7; sent]).await.unwrap();
        client.shutdown().await.unwrap();
        client.read_to_end(&mut Vec::new()).await.unwrap();
    };
    let receiving = async {
        // The pipes in between hold far less than what is sent: a relay that buffered it all would have read everything by now.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        drop(server);
        all.len()
    };
    let ((end, moved), (), received) = tokio::join!(run(downstream, upstream, None), sending, receiving);
    assert!(matches!(end, End::Closed), "{end:?}");
    assert_eq!((received, moved.received), (sent, sent as u64));
}

#[tokio::test]
async fn bytes_pass_between_tls_and_plain() {
    use crate::tls::testing::{Authority, istio_client, istio_server, sds};
    use crate::tls::{Asked, ClientContext, Secrets, ServerContext};
    let secrets = Secrets::new();
    let authority = Authority::new("mesh");
    secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
    secrets.update(&sds("default").id(), authority.issue("spiffe://cluster.local/ns/a/sa/b").secret()).unwrap();
    let server = ServerContext::new(&istio_server(&[]), &secrets, "test").unwrap();
    let client = ClientContext::new(&istio_client(&[], vec![]), &secrets, "test").unwrap();
    let (near, far) = connection().await;
    let (connected, accepted) = tokio::join!(client.connect(near.into(), Asked::default()), server.accept(far.into()));
    let (mut near, downstream) = (connected.unwrap().0, accepted.unwrap().0);
    let (upstream, mut far) = connection().await;
    let bytes: Vec<u8> = (0..3 << 20).map(|place: u32| (place / 3) as u8).collect();
    let sending = async {
        near.write_all(&bytes).await.unwrap();
        near.shutdown().await.unwrap();
        let mut back = Vec::new();
        near.read_to_end(&mut back).await.unwrap();
        back
    };
    let receiving = async {
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        far.write_all(&all).await.unwrap();
        far.shutdown().await.unwrap();
    };
    let ((end, moved), back, ()) = tokio::join!(run(downstream, upstream.into(), None), sending, receiving);
    assert!(matches!(end, End::Closed), "{end:?}");
    assert!(back == bytes);
    assert_eq!((moved.received, moved.sent), (3 << 20, 3 << 20));
}

#[tokio::test]
async fn a_tls_peer_that_closes_without_notice_has_ended_its_side() {
    use crate::tls::testing::{Authority, istio_client, istio_server, sds};
    use crate::tls::{Asked, ClientContext, Secrets, ServerContext};
    let secrets = Secrets::new();
    let authority = Authority::new("mesh");
    secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
    secrets.update(&sds("default").id(), authority.issue("spiffe://cluster.local/ns/a/sa/b").secret()).unwrap();
    let server = ServerContext::new(&istio_server(&[]), &secrets, "test").unwrap();
    let client = ClientContext::new(&istio_client(&[], vec![]), &secrets, "test").unwrap();
    let (near, far) = connection().await;
    let (connected, accepted) = tokio::join!(client.connect(near.into(), Asked::default()), server.accept(far.into()));
    let (mut near, mut far) = (connected.unwrap().0, accepted.unwrap().0);
    far.write_all(b"last words").await.unwrap();
    far.flush().await.unwrap();
    drop(far);
    let mut all = Vec::new();
    near.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"last words");
}

/// However much is there, and however much the other side takes: a turn has an end, and then the others have theirs.
#[tokio::test]
async fn a_turn_is_bounded_in_octets() {
    use super::lane::{Lane, TURN};
    use std::future::poll_fn;
    use std::task::Poll;
    const ALL: usize = 8 << 20;
    for spliced in [false, true] {
        let (mut from, mut to, feed, drain) = if spliced {
            let (mut client, downstream) = connection().await;
            let (upstream, mut server) = connection().await;
            let feed = tokio::spawn(async move { client.write_all(&vec![7; ALL]).await.unwrap() });
            let drain = tokio::spawn(async move { server.read_exact(&mut vec![0; ALL]).await.unwrap() });
            (downstream.into(), upstream.into(), feed, drain)
        } else {
            let (mut client, downstream) = tokio::io::duplex(ALL);
            let (upstream, mut server) = tokio::io::duplex(ALL);
            client.write_all(&vec![7; ALL]).await.unwrap();
            let drain = tokio::spawn(async move { server.read_exact(&mut vec![0; ALL]).await.unwrap() });
            (Stream::new(Io::Memory(downstream)), Stream::new(Io::Memory(upstream)), tokio::spawn(async {}), drain)
        };
        let mut lane = Lane::default();
        let mut turns = 0;
        poll_fn(|cx| {
            let before = lane.moved;
            let result = lane.poll(cx, &mut from, &mut to);
            turns += 1;
            assert!(lane.moved - before <= 2 * TURN as u64, "{} octets in a turn", lane.moved - before);
            assert!(result.is_pending() || lane.is_done());
            if lane.moved == ALL as u64 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert!(turns >= ALL / (2 * TURN), "{turns}");
        feed.await.unwrap();
        drain.await.unwrap();
    }
}

/// A connection of which only the system knows that it can go on has its turn between those of one that always can.
#[tokio::test]
async fn one_that_always_can_go_on_leaves_turns_to_others() {
    use super::lane::{Lane, TURN};
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::Poll;
    const ALL: usize = 64 << 20;
    tokio::task::LocalSet::new()
        .run_until(async {
            let (mut client, downstream) = tokio::io::duplex(ALL);
            let (upstream, _server) = tokio::io::duplex(ALL);
            client.write_all(&vec![7; ALL]).await.unwrap();
            let moved = Rc::new(Cell::new(0));
            let busy = Rc::clone(&moved);
            tokio::task::spawn_local(async move {
                let (mut from, mut to) = (Stream::new(Io::Memory(downstream)), Stream::new(Io::Memory(upstream)));
                let mut lane = Lane::default();
                poll_fn(|cx| {
                    let _ = lane.poll(cx, &mut from, &mut to);
                    busy.set(lane.moved);
                    if lane.moved == ALL as u64 { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            });
            let (near, mut far) = connection().await;
            let seen = tokio::task::spawn_local(async move { far.read_u8().await.map(|_| moved.get()) });
            // The octet is on its way before the busy one has its first turn after this.
            let before = near.try_write(b"x").unwrap();
            assert_eq!(before, 1);
            let seen = seen.await.unwrap().unwrap();
            assert!(seen < 16 * TURN as u64, "{seen} octets passed before another had its turn");
        })
        .await;
}
