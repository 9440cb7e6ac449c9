//! Network filters of the real Envoy and of Outrigger, from one bootstrap: the same octets to the same clients, the same lines in the logs, the
//! same counters, as one text. Called by the `network_filters_parity` tests. [`scenario`] is the format of
//! `integration/parity/network_filters`, [`proxy`] starts a proxy with a listener for each.

mod doors;
pub mod proxy;
pub mod scenario;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::http::Failure;
use proxy::Proxy;
use scenario::Scenario;

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(20);

/// Plays all scenarios with one program and gives the text of each by name.
///
/// # Errors
/// What could not be done.
pub fn play(program: &Path, scenarios: &[Scenario]) -> Result<Vec<(String, String)>, Failure> {
    let proxy = Proxy::start(program, scenarios)?;
    let mut texts = Vec::new();
    for scenario in scenarios {
        let mut text = String::new();
        let mut clients = BTreeMap::new();
        for step in &scenario.steps {
            step_of(&proxy, scenario, &mut clients, step)
                .map_err(|error| format!("{}: {step:?}: {error}", scenario.name))?;
        }
        for (name, client) in clients {
            let _ = writeln!(text, "{name} {}", client.told());
        }
        for line in proxy.lines(&scenario.name, scenario.lines)? {
            let _ = writeln!(text, "log {line}");
        }
        for line in proxy.statistics(&scenario.statistics)? {
            let _ = writeln!(text, "{line}");
        }
        texts.push((scenario.name.clone(), text));
    }
    Ok(texts)
}

/// One client of a scenario.
struct Client {
    stream: Option<TcpStream>,
    /// Its own port, and the one that it connected to.
    ports: [u16; 2],
    heard: Vec<u8>,
    ended: &'static str,
}

/// What a header of the PROXY protocol's second version begins with. Then come version and command, family, and two octets of a length.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What ports of a client's connection are called.
const NAMES: [&str; 2] = ["{client}", "{listener}"];

impl Client {
    fn stream(&mut self) -> Result<&mut TcpStream, Failure> {
        Ok(self.stream.as_mut().ok_or("it has closed its connection")?)
    }

    /// Hears until there is so much, or until the end.
    fn hear(&mut self, most: usize) -> Result<(), Failure> {
        let mut room = [0; 4096];
        while self.heard.len() < most && self.ended.is_empty() {
            match self.stream()?.read(&mut room) {
                Ok(0) => self.ended = "end",
                Ok(count) => self.heard.extend_from_slice(&room[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => self.ended = "reset",
                Err(error) => return Err(format!("{error}, after {:?}", self.heard.escape_ascii().to_string()).into()),
            }
        }
        Ok(())
    }

    /// As text, with names in place of ports in headers of the PROXY protocol's second version.
    fn with_ports_named(&self, heard: &[u8]) -> String {
        let (mut text, mut rest) = (String::new(), heard);
        while let Some(at) = rest.windows(SIGNATURE.len()).position(|octets| octets == SIGNATURE) {
            let addresses = match rest.get(at + SIGNATURE.len() + 1).map(|family| family >> 4) {
                Some(1) => 8,
                Some(2) => 32,
                _ => 0,
            };
            let begin = at + SIGNATURE.len() + 4 + addresses;
            let Some(ports) = rest.get(begin..begin + 4).filter(|_| addresses > 0) else {
                let (header, behind) = rest.split_at(at + SIGNATURE.len());
                text += &header.escape_ascii().to_string();
                rest = behind;
                continue;
            };
            text += &rest[..begin].escape_ascii().to_string();
            for port in ports.chunks(2) {
                let known = self.ports.iter().zip(NAMES).find(|(known, _)| known.to_be_bytes() == port);
                text += &known.map_or_else(|| port.escape_ascii().to_string(), |(_, name)| name.to_owned());
            }
            rest = &rest[begin + 4..];
        }
        text + &rest.escape_ascii().to_string()
    }

    /// Without dates, and with names in place of ports.
    fn told(&self) -> String {
        let mut heard = Vec::new();
        for line in self.heard.split_inclusive(|octet| *octet == b'\n').filter(|line| !line.starts_with(b"date: ")) {
            heard.extend_from_slice(line);
        }
        let mut text = self.with_ports_named(&heard);
        for (port, name) in self.ports.iter().zip(NAMES) {
            text = super::with_number_named(&text, *port, name);
        }
        format!("hears \"{text}\" {}", self.ended).trim_end().to_owned()
    }
}

fn step_of(
    proxy: &Proxy,
    scenario: &Scenario,
    clients: &mut BTreeMap<String, Client>,
    step: &str,
) -> Result<(), Failure> {
    let (name, what) = step.split_once(' ').ok_or("a step has a client")?;
    let (verb, object) = what.split_once(' ').unwrap_or((what, ""));
    if verb == "connects" {
        let stream = TcpStream::connect(proxy.address(&scenario.name))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        let ports = [stream.local_addr()?.port(), stream.peer_addr()?.port()];
        clients.insert(name.to_owned(), Client { stream: Some(stream), ports, heard: Vec::new(), ended: "" });
        return Ok(());
    }
    let client = clients.get_mut(name).ok_or("it connects first")?;
    match verb {
        // The proxy may be gone already.
        "says" => drop(client.stream()?.write_all(object.as_bytes())),
        "greets" => drop(client.stream()?.write_all(&hello(object)?)),
        "ends" => drop(client.stream()?.shutdown(Shutdown::Write)),
        "closes" => client.stream = None,
        "hears" if object == "all" => client.hear(usize::MAX)?,
        "hears" => client.hear(client.heard.len() + object.parse::<usize>()?)?,
        "waits" => proxy.wait(object)?,
        _ => return Err("nothing is done so".into()),
    }
    Ok(())
}

/// A ClientHello of TLS 1.2 that names a server and nothing else.
fn hello(name: &str) -> Result<Vec<u8>, Failure> {
    let length = |bytes: Vec<u8>| -> Result<Vec<u8>, Failure> {
        Ok([&u16::try_from(bytes.len())?.to_be_bytes()[..], &bytes].concat())
    };
    let list = length([&[0][..], &length(name.as_bytes().to_vec())?].concat())?;
    let extensions = length([&[0, 0][..], &length(list)?].concat())?;
    let body = [&[3, 3][..], &[7; 32], &[0], &length(vec![0xc0, 0x2f])?, &[1, 0], &extensions].concat();
    let handshake = [&[1, 0][..], &length(body)?].concat();
    Ok([&[22, 3, 1][..], &length(handshake)?].concat())
}
