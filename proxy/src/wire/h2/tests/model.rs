//! Random conversations with the `h2` crate, in both roles: what one side says is what the other side hears, whatever the sizes, windows,
//! cuts and resets. Each is made from its seed, which a failure names.

use std::rc::Rc;

use h2::{RecvStream, SendStream};
use http::HeaderMap;

use super::*;

const SEEDS: u64 = 60;

/// What one request and its response are.
#[derive(Debug, Clone)]
struct Script {
    path: String,
    headers: Vec<(String, String)>,
    request: Vec<usize>,
    request_trailers: bool,
    informational: usize,
    status: u16,
    answer: Vec<usize>,
    answer_trailers: bool,
    /// Who gives up in the middle.
    gives_up: Option<Side>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl Script {
    fn new(random: &mut fastrand::Rng, number: usize) -> Script {
        let pieces = |random: &mut fastrand::Rng| {
            (0..random.usize(..6))
                .map(|_| random.choice([0, 1, 3, 100, 4_095, 4_096, 16_384, 16_385, 70_000]).unwrap())
                .collect()
        };
        let headers = (0..random.usize(..12)).map(|_| {
            let name = random.choice(["accept", "x-one", "x-two", "authorization", "cookie-like", "user-agent", "via"]);
            (name.unwrap().to_owned(), "v".repeat(random.choice([0, 1, 30, 500]).unwrap()))
        });
        Script {
            path: format!("/{number}"),
            headers: headers.collect(),
            request: pieces(random),
            request_trailers: random.bool(),
            informational: random.usize(..3),
            status: random.choice([200, 204, 404, 500]).unwrap(),
            answer: pieces(random),
            answer_trailers: random.bool(),
            gives_up: random.choice([None, None, None, Some(Side::Client), Some(Side::Server)]).unwrap(),
        }
    }

    fn answer(&self) -> &[usize] {
        if self.status == 204 { &[] } else { &self.answer }
    }

    fn list(&self) -> Headers {
        let mut list = Headers::new();
        self.headers.iter().for_each(|(name, value)| list.append(Name::new(name), value.clone()));
        list
    }

    fn map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            map.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        map
    }
}

/// The octets of a body, which tell where they belong.
fn body(pieces: &[usize]) -> Vec<u8> {
    (0..pieces.iter().sum::<usize>()).map(|at| (at % 251) as u8).collect()
}

fn sorted(headers: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut all: Vec<_> = headers.filter(|(name, _)| name != "content-length").collect();
    all.sort();
    all
}

fn of_list(list: &Headers) -> Vec<(String, String)> {
    sorted(list.iter().map(|line| (line.name.as_str().to_owned(), String::from_utf8_lossy(&line.value).into_owned())))
}

fn of_map(map: &HeaderMap) -> Vec<(String, String)> {
    sorted(map.iter().map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned())))
}

fn settings(random: &mut fastrand::Rng) -> Settings {
    Settings {
        initial_stream_window: random.choice([65_535, 100_000, 1 << 24]).unwrap(),
        initial_connection_window: random.choice([65_535, 200_000, 1 << 24]).unwrap(),
        hpack_table_size: random.choice([0, 100, 4_096, 16_384]).unwrap(),
        max_concurrent_streams: 100,
        ..Settings::default()
    }
}

fn scripts(random: &mut fastrand::Rng) -> Rc<Vec<Script>> {
    Rc::new((0..random.usize(1..12)).map(|number| Script::new(random, number)).collect())
}

fn script<'a>(scripts: &'a [Script], path: &str) -> &'a Script {
    scripts.iter().find(|script| script.path == path).unwrap()
}

// ---- The `h2` crate's side.

/// Sends a body as windows allow; `Err` when the other side has given up.
async fn their_body(send: &mut SendStream<Bytes>, pieces: &[usize], trailers: bool) -> Result<(), h2::Error> {
    let all = Bytes::from(body(pieces));
    let mut at = 0;
    for piece in pieces {
        let mut rest = all.slice(at..at + piece);
        at += piece;
        while !rest.is_empty() {
            send.reserve_capacity(rest.len());
            let room = poll_fn(|cx| send.poll_capacity(cx)).await.ok_or(h2::Error::from(h2::Reason::CANCEL))??;
            send.send_data(rest.split_to(room.min(rest.len())), false)?;
        }
    }
    if trailers {
        let mut map = HeaderMap::new();
        map.insert("x-end", "1".parse().unwrap());
        send.send_trailers(map)
    } else {
        send.send_data(Bytes::new(), true)
    }
}

async fn their_read(recv: &mut RecvStream) -> Result<(Vec<u8>, bool), h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = recv.data().await {
        let data = data?;
        all.extend_from_slice(&data);
        let _ = recv.flow_control().release_capacity(data.len());
    }
    Ok((all, recv.trailers().await?.is_some()))
}

// ---- Ours.

macro_rules! our_body {
    ($stream:expr, $pieces:expr, $trailers:expr) => {
        async {
            let all = Bytes::from(body($pieces));
            let mut at = 0;
            for piece in $pieces {
                poll_fn(|cx| $stream.poll_ready(cx)).await?;
                $stream.send_data(all.slice(at..at + piece), false)?;
                at += piece;
            }
            if $trailers {
                $stream.send_trailers(&list(&[("x-end", "1")]))
            } else {
                $stream.send_data(Bytes::new(), true)
            }
        }
    };
}

/// What came, judged by the script. Whoever has given up has nothing to say.
fn judge(seed: u64, script: &Script, told: Result<(Vec<u8>, bool), String>, pieces: &[usize], trailers: bool) {
    match told {
        Ok((octets, ended)) => {
            assert_eq!(octets.len(), pieces.iter().sum::<usize>(), "seed {seed}: {script:?}");
            assert_eq!((octets == body(pieces), ended), (true, trailers), "seed {seed}: {script:?}");
        }
        Err(error) => assert!(script.gives_up.is_some(), "seed {seed}: {error} {script:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn our_client_and_their_server() {
    for seed in 0..SEEDS {
        in_time(seed, run(our_client(seed))).await;
    }
}

/// Time is paused: it passes when nobody has anything to do any more.
async fn in_time(seed: u64, conversation: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(Duration::from_secs(60), conversation).await;
    assert!(ended.is_ok(), "seed {seed}: everybody waits for somebody");
}

async fn our_client(seed: u64) {
    let random = &mut fastrand::Rng::with_seed(seed);
    let (settings, scripts) = (settings(random), scripts(random));
    let (ours, theirs) = tokio::io::duplex(random.choice([100, 5_000, 1 << 20]).unwrap());
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(random.choice([1_000, 65_535, 1 << 20]).unwrap());
    builder.initial_connection_window_size(random.choice([65_535, 1 << 20]).unwrap());
    builder.max_header_list_size(1 << 20);
    let served = Rc::clone(&scripts);
    spawn_local(async move {
        let mut connection = builder.handshake::<_, Bytes>(theirs).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let served = Rc::clone(&served);
            spawn_local(async move {
                let script = script(&served, request.uri().path()).clone();
                let (parts, mut recv) = request.into_parts();
                assert_eq!(of_map(&parts.headers), sorted(script.headers.iter().cloned()), "seed {seed}");
                if script.gives_up == Some(Side::Server) {
                    respond.send_reset(h2::Reason::INTERNAL_ERROR);
                    return;
                }
                for _ in 0..script.informational {
                    let _ = respond.send_informational(http::Response::builder().status(103).body(()).unwrap());
                }
                let told = their_read(&mut recv).await.map_err(|error| error.to_string());
                judge(seed, &script, told, &script.request, script.request_trailers);
                let mut response = http::Response::builder().status(script.status).body(()).unwrap();
                *response.headers_mut() = script.map();
                if let Ok(mut send) = respond.send_response(response, false) {
                    let _ = their_body(&mut send, script.answer(), script.answer_trailers).await;
                }
            });
        }
    });
    let (handle, driver) = client::connect(Stream::new(Io::Memory(ours)), &settings, CodecStats::NONE);
    spawn_local(driver);
    let tasks: Vec<_> =
        (0..scripts.len()).map(|at| spawn_local(ask(seed, scripts[at].clone(), handle.open()))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((handle.open_streams(), handle.is_open()), (0, true), "seed {seed}");
}

async fn ask(seed: u64, script: Script, mut stream: client::Stream) {
    let mut head = request(Method::Post, "/", &[]);
    head.path = script.path.clone().into();
    head.headers = script.list();
    stream.send_head(&head, false).unwrap();
    let sent: Result<(), StreamError> = our_body!(stream, &script.request, script.request_trailers).await;
    if script.gives_up == Some(Side::Client) {
        return stream.reset(ResetReason::Cancel);
    }
    let answered = async {
        sent?;
        for _ in 0..script.informational {
            assert_eq!(poll_fn(|cx| stream.poll_head(cx)).await?.status, 103, "seed {seed}");
        }
        let head = poll_fn(|cx| stream.poll_head(cx)).await?;
        assert_eq!((head.status, of_list(&head.headers)), (script.status, sorted(script.headers.iter().cloned())));
        read_all(|cx| stream.poll_body(cx)).await
    };
    let told = answered.await.map(|(octets, trailers)| (octets, trailers.is_some())).map_err(|error| error.to_string());
    judge(seed, &script, told, script.answer(), script.answer_trailers);
}

#[tokio::test(start_paused = true)]
async fn their_client_and_our_server() {
    for seed in 0..SEEDS {
        in_time(seed, run(our_server(seed))).await;
    }
}

async fn our_server(seed: u64) {
    let random = &mut fastrand::Rng::with_seed(1_000 + seed);
    let (settings, scripts) = (settings(random), scripts(random));
    let (ours, theirs) = tokio::io::duplex(random.choice([100, 5_000, 1 << 20]).unwrap());
    let connection = server::Connection::new(Stream::new(Io::Memory(ours)), &settings, CodecStats::NONE);
    let served = Rc::clone(&scripts);
    serve(connection, move |head, stream| {
        answer(seed, script(&served, std::str::from_utf8(&head.path).unwrap()).clone(), head, stream)
    });
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(random.choice([1_000, 65_535, 1 << 20]).unwrap());
    builder.initial_connection_window_size(random.choice([65_535, 1 << 20]).unwrap());
    builder.max_header_list_size(1 << 20);
    let (send, connection) = builder.handshake::<_, Bytes>(theirs).await.unwrap();
    let driver = spawn_local(connection);
    let tasks: Vec<_> =
        (0..scripts.len()).map(|at| spawn_local(they_ask(seed, scripts[at].clone(), send.clone()))).collect();
    drop(send);
    for task in tasks {
        task.await.unwrap();
    }
    driver.await.unwrap().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

async fn answer(seed: u64, script: Script, head: RequestHead, mut stream: server::Stream) {
    assert_eq!(of_list(&head.headers), sorted(script.headers.iter().cloned()), "seed {seed}");
    if script.gives_up == Some(Side::Server) {
        return stream.reset(ResetReason::InternalError);
    }
    for _ in 0..script.informational {
        let _ = stream.send_informational(&response(103, &[]));
    }
    let told = read_all(|cx| stream.poll_body(cx)).await;
    let told = told.map(|(octets, trailers)| (octets, trailers.is_some())).map_err(|error| error.to_string());
    judge(seed, &script, told, &script.request, script.request_trailers);
    let mut head = response(script.status, &[]);
    head.headers = script.list();
    let said = async {
        stream.send_head(&head, false)?;
        let said: Result<(), StreamError> = our_body!(stream, script.answer(), script.answer_trailers).await;
        said?;
        poll_fn(|cx| stream.poll_flush(cx)).await
    };
    let said = said.await;
    assert!(said.is_ok() || script.gives_up.is_some(), "seed {seed}: {said:?}");
}

async fn they_ask(seed: u64, script: Script, send: h2::client::SendRequest<Bytes>) {
    let mut request = http::Request::post(format!("http://example{}", script.path)).body(()).unwrap();
    *request.headers_mut() = script.map();
    let mut send = send.ready().await.unwrap();
    let (response, mut body) = send.send_request(request, false).unwrap();
    drop(send);
    let sent = their_body(&mut body, &script.request, script.request_trailers).await;
    if script.gives_up == Some(Side::Client) {
        return body.send_reset(h2::Reason::CANCEL);
    }
    let answered = async {
        sent?;
        let (parts, mut recv) = response.await?.into_parts();
        assert_eq!(
            (parts.status.as_u16(), of_map(&parts.headers)),
            (script.status, sorted(script.headers.iter().cloned()))
        );
        their_read(&mut recv).await
    };
    judge(seed, &script, answered.await.map_err(|error| error.to_string()), script.answer(), script.answer_trailers);
}
