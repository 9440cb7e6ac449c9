//! Tests of `platform`: a service on loopback that answers as AWS's do.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::*;

/// Answers each request line with a status and a body; what it was asked, in the order of coming, is in what is given back.
fn service(
    answers: &'static [(&'static str, &'static str, &'static str)],
) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let (sender, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut octet = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut octet).unwrap() > 0 {
                head.push(octet[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let found = answers.iter().find(|(line, ..)| head.starts_with(line));
            let (status, body) = found.map_or(("404 Not Found", ""), |(_, status, body)| (*status, *body));
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            // Told before it is answered: who has the answer finds it told. Who has gone meanwhile does not hear it.
            let _ = sender.send(head);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (uri, asked)
}

const TASK: &str = r#"{"Cluster":"default","TaskARN":"arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c","AvailabilityZone":"us-west-2d"}"#;
const DOCUMENT: &str = r#"{"region":"eu-central-1","availabilityZone":"eu-central-1a","instanceId":"i-0123456789"}"#;

#[test]
fn a_task_of_ecs_says_where_it_is() {
    let (uri, asked) = service(&[("GET /v4/one/task HTTP/1.0", "200 OK", TASK)]);
    let facts = Sources { ecs: Some(format!("{uri}/v4/one")), ..Sources::default() }.ask();
    assert_eq!((facts.region.as_str(), facts.zone.as_str()), ("us-west-2", "us-west-2d"));
    let metadata: Vec<_> = facts.metadata().collect();
    assert_eq!(metadata[..2], [("aws_region", "us-west-2"), ("aws_availability_zone", "us-west-2d")]);
    assert!(metadata[2].1.ends_with("158d1c8083dd49d6b527399fd6414f5c"));
    assert_eq!(asked.try_iter().count(), 1);
}

#[test]
fn an_instance_of_ec2_is_shown_a_token() {
    let (uri, asked) = service(&[
        ("PUT /latest/api/token HTTP/1.0", "200 OK", "the-token"),
        ("GET /latest/dynamic/instance-identity/document HTTP/1.0", "200 OK", DOCUMENT),
    ]);
    let facts = Sources { ec2: Some(uri), region: Some("other".into()), ..Sources::default() }.ask();
    assert_eq!((facts.region.as_str(), facts.zone.as_str()), ("eu-central-1", "eu-central-1a"));
    assert_eq!(facts.more, [("aws_instance_id", String::from("i-0123456789"))]);
    let asked: Vec<String> = asked.iter().take(2).collect();
    assert!(asked[0].contains("x-aws-ec2-metadata-token-ttl-seconds: 60\r\n"), "{}", asked[0]);
    assert!(asked[1].contains("x-aws-ec2-metadata-token: the-token\r\n"), "{}", asked[1]);
}

#[test]
fn without_a_token_nothing_is_asked() {
    let (uri, asked) =
        service(&[("PUT /latest/api/token HTTP/1.0", "403 Forbidden", ""), ("GET /latest", "200 OK", DOCUMENT)]);
    let facts = Sources { ec2: Some(uri), region: Some("of-environment".into()), ..Sources::default() }.ask();
    assert_eq!(facts, Facts { region: "of-environment".into(), ..Facts::default() });
    assert_eq!(asked.iter().take(1).count(), 1);
}

#[test]
fn nonsense_and_silence_are_nothing() {
    let (uri, _asked) = service(&[("GET /task", "200 OK", "{")]);
    let (says_nothing, _asked_too) = service(&[("GET /task", "200 OK", "{}")]);
    // Nobody accepts.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    for ecs in [uri, says_nothing, silent, "https://x".into(), "http://name.example/x".into(), String::from("http://")]
    {
        assert!(Sources { ecs: Some(ecs), ..Sources::default() }.ask().is_empty());
    }
    assert!(Sources::default().ask().is_empty());
}
