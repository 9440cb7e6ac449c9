//! What configuration leaves behind in memory: nothing, however many connections stay open.
//!
//! `OUTRIGGER_MEMORY_PUSHES`, `OUTRIGGER_MEMORY_HOSTS` and `OUTRIGGER_MEMORY_CONNECTIONS` make it larger; the figures are printed with
//! `--nocapture`.

use std::fs;

use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::{EmbeddedMesh, RATINGS};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Resident memory that is the process's own, in kB.
fn memory(mesh: &EmbeddedMesh) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", mesh.ratings.id().expect("it runs"));
    let text = fs::read_to_string(path).expect("a process may look at its child");
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).expect("the kernel tells");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// A table of this many hosts; the newest has the push's number in its name.
fn push(mesh: &EmbeddedMesh, number: usize, hosts: usize) {
    let table = mesh.egress.port().to_string();
    mesh.control_plane.clear_edits();
    mesh.control_plane.edit(RATINGS, move |set| {
        let list = set.edit(types::ROUTE, &table)["virtual_hosts"].as_array_mut().expect("hosts");
        list.extend((0..hosts).map(|host| {
            json!({
                "name": format!("service-{host}"),
                "domains": [format!("service-{host}.push-{number}.example"), format!("service-{host}.push-{number}.example:80")],
                "routes": [{ "match": { "prefix": "/" }, "direct_response": { "status": 418 } }]
            })
        }));
    });
}

/// The status of an answer on a connection that stays open.
async fn ask(stream: &mut TcpStream, host: &str) -> Option<u16> {
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(answer).ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    head.get(9..12)?.parse().ok()
}

/// 40 pushes under a thousand idle connections, and a tenth more memory at most.
#[tokio::test]
async fn idle_connections_keep_no_table_of_the_past() {
    let (pushes, hosts) = (setting("OUTRIGGER_MEMORY_PUSHES", 40), setting("OUTRIGGER_MEMORY_HOSTS", 600));
    let connections = setting("OUTRIGGER_MEMORY_CONNECTIONS", 1000);
    let mesh = EmbeddedMesh::start().await;
    let mut idle = Vec::new();
    for _ in 0..connections {
        idle.push(TcpStream::connect(mesh.egress).await.expect("it listens"));
    }
    let mut before = 0;
    for number in 0..pushes {
        push(&mesh, number, hosts);
        let host = format!("service-0.push-{number}.example");
        // The table of this push is the last one that these have asked.
        let users = idle.len() * number / pushes..idle.len() * (number + 1) / pushes;
        let stream = &mut idle[users.start];
        let served = async || (ask(stream, &host).await? == 418).then_some(());
        mesh.ratings.wait_until("serving the newest table", served).await;
        for stream in &mut idle[users] {
            assert_eq!(ask(stream, &host).await, Some(418));
        }
        if number == 1 {
            // Each connection has been served, and the second table may be beside the first one.
            for stream in &mut idle {
                assert_eq!(ask(stream, &host).await, Some(418));
            }
            before = memory(&mesh);
        }
    }
    // A leak is a table a push; what is left is noise of the allocator.
    let enough = async || (memory(&mesh) <= before + before / 10).then(|| memory(&mesh));
    let after = mesh.ratings.wait_until("back to the memory of one table", enough).await;
    println!("{pushes} pushes of {hosts} hosts, {connections} idle connections: {before} kB, then {after} kB");
    let newest = format!("service-0.push-{}.example", pushes - 1);
    for stream in &mut idle {
        assert_eq!(ask(stream, &newest).await, Some(418), "it lives, on the newest table");
    }
}
